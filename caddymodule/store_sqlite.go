package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
)

func init() { caddy.RegisterModule(SQLite{}) }

// SQLite keeps clients, people and grants in one file on this machine. It
// serves one node.
type SQLite struct {
	// The database file; its folder is created with mode 0700. Relative paths
	// start at the working directory. Required.
	Path string `json:"path,omitempty"`

	path string // absolute
}

// CaddyModule returns the Caddy module information.
func (SQLite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  storeNamespace + ".sqlite",
		New: func() caddy.Module { return new(SQLite) },
	}
}

// UnmarshalCaddyfile reads the engine. Syntax:
//
//	store sqlite <path>
func (s *SQLite) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	line, args := d.Token(), d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return at(line, fmt.Errorf("store sqlite takes one path, it has %d", len(args)))
	}
	if d.NextBlock(0) {
		return d.Err("store sqlite has no block")
	}
	s.Path = args[0]
	return nil
}

// Provision finds out which file is meant; it creates nothing.
func (s *SQLite) Provision(caddy.Context) (err error) {
	s.path, err = resolvePath(s.Path)
	return err
}

// Identity names the file by its absolute path.
func (s *SQLite) Identity() string { return "sqlite:" + s.path }

// Open connects to the file.
func (s *SQLite) Open(ctx context.Context, log *slog.Logger) (store.Store, error) {
	return sqlite.Open(ctx, sqlite.Config{Path: s.path, Log: log})
}

// resolvePath returns the absolute form of a path with its placeholders
// replaced. Symbolic links are followed as far as the path exists, so that two
// spellings of one file are one file.
func resolvePath(raw string) (string, error) {
	path, err := resolve(raw)
	if err != nil {
		return "", err
	}
	if path == "" {
		return "", errors.New("the path is empty")
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("finding %s: %w", raw, err)
	}
	for folder, rest := path, ""; ; {
		if real, err := filepath.EvalSymlinks(folder); err == nil {
			return filepath.Join(real, rest), nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return path, nil
		}
		rest = filepath.Join(filepath.Base(folder), rest)
		folder = parent
	}
}

// Interface guards.
var (
	_ StoreEngine           = (*SQLite)(nil)
	_ caddy.Provisioner     = (*SQLite)(nil)
	_ caddyfile.Unmarshaler = (*SQLite)(nil)
)
