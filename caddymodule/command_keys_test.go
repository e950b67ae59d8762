package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// keysIn returns the configuration of a storage in dir, with the keys of a
// gateway that has been started.
func keysIn(t *testing.T, dir string, now clock.Clock) []byte {
	t.Helper()
	config := fmt.Appendf(nil, `{"storage": {"module": "file_system", "root": %q}}`, dir)
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	storage, err := storageOf(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(t.Context(), storage, now, nil); err != nil {
		t.Fatal(err)
	}
	return config
}

func runKeysCommand(t *testing.T, c keysCommand, config []byte) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := c.run(config, &out)
	return out.String(), err
}

func TestKeysRotateSaysWhatWillHappenWhenAndListShowsIt(t *testing.T) {
	now := clock.NewFake(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC))
	config := keysIn(t, t.TempDir(), now)
	out, err := runKeysCommand(t, keysCommand{rotate: true, clock: now}, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"within 1m0s:", "2026-11-02T09:08:30Z    they sign", "2026-11-02T09:17:00Z    the old ones are withdrawn", "coming   EdDSA", "active   ES256"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if _, err := runKeysCommand(t, keysCommand{rotate: true, clock: now}, config); !errors.Is(err, keys.ErrOverlap) || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a second rotation: %v, want the remedy", err)
	}
	if _, err := runKeysCommand(t, keysCommand{rotate: true, force: true, clock: now}, config); err != nil {
		t.Errorf("a forced one: %v", err)
	}
	table, err := runKeysCommand(t, keysCommand{clock: now}, config)
	if err != nil || strings.Count(table, "\n") != 1+8 || !strings.Contains(table, "signing  EdDSA  coming") {
		t.Errorf("list: %v\n%s", err, table)
	}
	raw, err := runKeysCommand(t, keysCommand{json: true, clock: now}, config)
	var infos []keys.Info
	if err != nil || json.Unmarshal([]byte(raw), &infos) != nil || len(infos) != 8 {
		t.Errorf("list --json: %v\n%s", err, raw)
	}
}

func TestKeysNeverPrintsASecret(t *testing.T) {
	now := clock.NewFake(time.Now())
	dir := t.TempDir()
	config := keysIn(t, dir, now)
	var printed string
	for _, c := range []keysCommand{{}, {json: true}, {rotate: true}, {rotate: true, force: true, json: true}} {
		c.clock = now
		out, err := runKeysCommand(t, c, config)
		if err != nil {
			t.Fatal(err)
		}
		printed += out
	}
	files, _ := filepath.Glob(filepath.Join(dir, "mcp_edge", "keys", "*.json"))
	if len(files) != 3 {
		t.Fatalf("key files %v", files)
	}
	secrets := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Keys []struct{ JWK struct{ D, K string } }
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		for _, k := range doc.Keys {
			secrets++
			if secret := k.JWK.D + k.JWK.K; secret == "" || strings.Contains(printed, secret) {
				t.Error("a secret is printed")
			}
		}
	}
	if secrets != 8 {
		t.Errorf("looked for %d secrets", secrets)
	}
}

func TestKeysOfAStorageThatNoGatewayUsedAreNotMade(t *testing.T) {
	dir := t.TempDir()
	config := fmt.Appendf(nil, `{"storage": {"module": "file_system", "root": %q}}`, dir)
	for _, c := range []keysCommand{{clock: clock.System}, {clock: clock.System, rotate: true, force: true}} {
		if _, err := runKeysCommand(t, c, config); err == nil || !strings.Contains(err.Error(), "first start") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "mcp_edge")); err == nil {
		t.Error("the command made keys")
	}
	if _, err := runKeysCommand(t, keysCommand{clock: clock.System}, []byte("no json")); err == nil {
		t.Error("no configuration was accepted")
	}
}

func TestTheKeyFileOfAnotherUserIsLeftAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	dir := t.TempDir()
	config := keysIn(t, dir, clock.System)
	file := filepath.Join(dir, filepath.FromSlash(keys.SigningDocument))
	if err := os.Chown(file, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(file)
	if _, err := runKeysCommand(t, keysCommand{rotate: true, clock: clock.System}, config); err == nil || !strings.Contains(err.Error(), "as the user of the gateway") {
		t.Errorf("error %v, want the remedy", err)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("the file was replaced")
	}
}

// refreshes counts, and answers in turn.
type refreshes struct {
	answers []error
	calls   int
}

func (r *refreshes) Refresh(context.Context) (bool, error) {
	err := r.answers[min(r.calls, len(r.answers)-1)]
	r.calls++
	return err == nil, err
}

func TestARunningGatewayLooksForARotationEveryMinuteAndGoesOnAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		set := &refreshes{answers: []error{errors.New("disk on fire"), nil}}
		watch := startKeyWatch(set, slog.New(slog.NewTextHandler(&log, nil)))
		time.Sleep(2*keys.RefreshEvery + time.Second) // the bubble's clock
		watch.stop()
		if set.calls != 2 {
			t.Errorf("%d reads in two minutes", set.calls)
		}
		if text := log.String(); !strings.Contains(text, "disk on fire") || !strings.Contains(text, "being rotated") {
			t.Errorf("log: %s", text)
		}
		(*keyWatch)(nil).stop()
	})
}
