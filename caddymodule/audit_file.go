package caddymodule

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func init() { caddy.RegisterModule(AuditFile{}) }

// AuditFile writes the audit trail to a file, one JSON object in each line.
type AuditFile struct {
	// The file; it is only ever appended to. Relative paths start at the
	// working directory. Required.
	Path string `json:"path,omitempty"`

	path string // absolute
}

// CaddyModule returns the Caddy module information.
func (AuditFile) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  auditNamespace + ".file",
		New: func() caddy.Module { return new(AuditFile) },
	}
}

// UnmarshalCaddyfile reads the sink. Syntax:
//
//	file <path>
func (f *AuditFile) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	line, args := d.Token(), d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return at(line, fmt.Errorf("file takes one path, it has %d", len(args)))
	}
	if d.NextBlock(0) {
		return d.Err("file has no block")
	}
	f.Path = args[0]
	return nil
}

// Provision finds out which file is meant; it creates nothing.
func (f *AuditFile) Provision(caddy.Context) (err error) {
	f.path, err = resolvePath(f.Path)
	return err
}

// Identity names the file by its absolute path.
func (f *AuditFile) Identity() string { return "file:" + f.path }

// Open begins to append to the file.
func (f *AuditFile) Open(log *slog.Logger) (RecordCloser, error) {
	node, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming this node: %w", err)
	}
	return audit.NewFile(audit.FileConfig{Path: f.path, Node: node, Clock: clock.System, Rand: rand.Reader, Log: log})
}

// Interface guards.
var (
	_ AuditSink             = (*AuditFile)(nil)
	_ caddy.Provisioner     = (*AuditFile)(nil)
	_ caddyfile.Unmarshaler = (*AuditFile)(nil)
)
