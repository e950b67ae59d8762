// Command demo is the whole product on one machine: the gateway from the root
// Caddyfile, an identity provider with three people, and an App Store backend
// that verifies every request. It needs nothing but Go.
//
//	go run ./tests/demo
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/teamlumos/mcp-edge/caddymodule"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

type flags struct {
	readyFile, addrAuth, addrAPI, data, config string
	logLevel                                   string
}

func main() {
	var f flags
	flag.StringVar(&f.readyFile, "ready-file", "", "write addresses and people as JSON to this `path` when all is up")
	flag.StringVar(&f.addrAuth, "addr-auth", "localhost:8443", "`host:port` of the authorization server")
	flag.StringVar(&f.addrAPI, "addr-api", "localhost:8444", "`host:port` of the MCP endpoint")
	flag.StringVar(&f.data, "data", "data/demo", "`folder` for the database, keys, certificates and the audit trail")
	flag.StringVar(&f.config, "config", "", "`path` of the Caddyfile (default: the one at the root of this repository)")
	flag.StringVar(&f.logLevel, "log-level", "WARN", "`level` of the gateway's own log: DEBUG, INFO, WARN, ERROR")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q; see -help\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, f, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out io.Writer) (err error) {
	caddyfile, err := findCaddyfile(f.config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.data, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	console := newConsole(out)
	s, err := stack.Start(ctx, stack.Options{
		AuthAddr: f.addrAuth, APIAddr: f.addrAPI, Data: f.data,
		IdPAddr: "127.0.0.1:8445", BackendAddr: "127.0.0.1:8446",
		OnRequest: console.request, StatusEvery: 20 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	if err := startGateway(caddyfile, append(s.Env, "MCP_EDGE_LOG_LEVEL="+f.logLevel)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, caddy.Stop()) }()

	starting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.WaitReady(starting); err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting is no fault
		}
		return err
	}
	console.welcome(s)
	if f.readyFile != "" {
		if err := writeReadyFile(f.readyFile, s); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(f.readyFile)) }()
	}
	<-ctx.Done()
	console.printf("\nStopping.\n")
	return nil
}

// startGateway runs the Caddyfile in this process, as "mcp-edge run" would.
func startGateway(path string, env []string) error {
	for _, setting := range env {
		name, value, _ := strings.Cut(setting, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": path})
	if err != nil {
		return fmt.Errorf("reading the Caddyfile: %w", err)
	}
	if err := caddy.Load(config, true); err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	return nil
}

// ready is what -ready-file holds.
type ready struct {
	Issuer   string      `json:"issuer"`
	Resource string      `json:"resource"`
	CA       string      `json:"ca"`
	Backend  string      `json:"backend"`
	IdP      string      `json:"idp"`
	Users    []readyUser `json:"users"`
}

type readyUser struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Role     string `json:"role"`
}

// writeReadyFile writes beside the path and renames, so that whoever waits for
// the file never reads half of it.
func writeReadyFile(path string, s *stack.Stack) error {
	r := ready{Issuer: s.Issuer, Resource: s.Resource, CA: s.CAFile, Backend: s.Backend.URL(), IdP: s.IdP.Issuer()}
	for _, u := range s.Users {
		r.Users = append(r.Users, readyUser{Email: u.Email, Password: u.Password, Role: u.Role})
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	partial := path + ".partial"
	if err := os.WriteFile(partial, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	return os.Rename(partial, path)
}

// findCaddyfile returns path, or the Caddyfile beside the nearest go.mod.
func findCaddyfile(path string) (string, error) {
	if path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "Caddyfile"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run it inside the repository, or say -config")
		}
		dir = parent
	}
}
