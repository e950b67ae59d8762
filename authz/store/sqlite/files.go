package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// driverName is the name under which modernc.org/sqlite registers itself.
const driverName = "sqlite"

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// opening guards the creation of database files. POSIX drops all locks that a
// process has on a file when it closes any descriptor of it; so no other store
// of this process may have locked the file between its creation and the close.
var opening sync.Mutex

// createFile makes path and its folder if they are absent and takes the rights
// of others from what is there. SQLite gives its side files the mode of the
// database. An existing file is not opened, for the reason given at opening.
func createFile(path string, log *slog.Logger) error {
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	switch {
	case err == nil:
		return f.Close()
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	for _, side := range []string{"", "-wal", "-shm"} {
		if err := tighten(path+side, log); err != nil {
			return err
		}
	}
	return nil
}

func tighten(path string, log *slog.Logger) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	log.Warn("database file was open to other accounts; its mode is now 0600", slog.String("path", path))
	return os.Chmod(path, fileMode)
}

// dsn names the database for the driver. mode=rw never creates a file, so that
// none appears with other rights than createFile gives.
func dsn(path string, wait time.Duration, more url.Values) string {
	q := url.Values{
		"mode":          {"rw"},
		"_busy_timeout": {strconv.FormatInt(wait.Milliseconds(), 10)},
		"_foreign_keys": {"on"},
		"_synchronous":  {"FULL"},
		"_txlock":       {"immediate"},
		// Statements come from this package only; these keep a mistake, or a
		// schema that somebody else wrote, from doing more than it says.
		"_dqs":       {"0"},
		"_defensive": {"1"},
		"_error_rc":  {"1"},
		"_pragma":    {"trusted_schema(0)", "cell_size_check(1)"},
	}
	for k, v := range more {
		q[k] = append(q[k], v...)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
}

func writerDSN(path string, wait time.Duration) string {
	return dsn(path, wait, url.Values{
		"_journal_mode": {"WAL"},
		"_pragma":       {"journal_size_limit(67108864)"},
	})
}

func readerDSN(path string, wait time.Duration) string {
	return dsn(path, wait, url.Values{"_query_only": {"1"}})
}
