package audit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// diskFile is an appender on a real file.
type diskFile struct {
	*os.File
	path string
}

func (f diskFile) Current() bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.path)
	return err == nil && os.SameFile(mine, named)
}

// openFile opens the file for appending and ends a line that a crash cut short:
// deleting it would hide that something was about to be recorded.
func openFile(path string) (appender, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := prepare(file, dir); err != nil {
		_ = file.Close()
		return nil, err
	}
	return diskFile{File: file, path: path}, nil
}

func prepare(file *os.File, dir string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: file.Name(), Err: errors.New("not a regular file")}
	}
	if info.Size() == 0 {
		return syncDir(dir) // a new name is durable only with its folder
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], info.Size()-1); err != nil {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
