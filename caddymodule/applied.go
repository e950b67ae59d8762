package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/teamlumos/mcp-edge/authz/audit"
)

// applied is what the audit trail was told of the configuration in service.
type applied struct {
	mu       sync.Mutex
	domains  []string // that are on, sorted
	recorder audit.Recorder
}

// apply writes that a configuration comes into service, and which domains it
// turns on or off.
func (a *applied) apply(ctx context.Context, run *running, fingerprint string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := run.policy.EnabledDomains()
	detail := fmt.Sprintf("sha256 %s; domains on: %s; %d resources", fingerprint, orNone(now), len(run.endpoints))
	events := []audit.Event{{Name: audit.ConfigApplied, Detail: detail, Durable: true}}
	for _, domain := range now {
		if !slices.Contains(a.domains, domain) {
			events = append(events, audit.Event{Name: audit.DomainOn, DomainID: domain, Durable: true})
		}
	}
	for _, domain := range a.domains {
		if !slices.Contains(now, domain) {
			events = append(events, audit.Event{Name: audit.DomainOff, DomainID: domain, Durable: true})
		}
	}
	for _, e := range events {
		if err := run.recorder.Record(ctx, e); err != nil {
			return err
		}
	}
	a.domains, a.recorder = now, run.recorder
	return nil
}

// clientsRemoved writes that registrations which nobody approved were deleted.
func (a *applied) clientsRemoved(n int) {
	a.mu.Lock()
	recorder := a.recorder
	a.mu.Unlock()
	if recorder == nil {
		return
	}
	e := audit.Event{Name: audit.ClientRemoved, Detail: fmt.Sprintf("%d registrations that nobody approved within a day", n)}
	if err := recorder.Record(context.Background(), e); err != nil {
		liveLog(appName).Error("audit event not stored", slog.String("event", e.Name), slog.Any("error", err))
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

// fingerprintOf hashes a configuration as it was written.
func fingerprintOf(a *App) string {
	text, err := json.Marshal(a)
	if err != nil {
		return "unknown" // raw messages that Caddy has decoded already: cannot fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// fingerprintWithTools adds to the fingerprint what tools are made of and does
// not stand in the configuration: a document that changed offers other tools
// under the same lines.
func (a *App) fingerprintWithTools() string {
	sum := sha256.New()
	documents := 0
	for _, b := range a.bridges {
		if b.declared != nil {
			documents++
			_, _ = fmt.Fprintf(sum, "%s %s\n", b.Resource, b.declared.digest) // a hash takes everything
		}
	}
	if documents == 0 {
		return a.fingerprint
	}
	_, _ = fmt.Fprintf(sum, "%s\n", a.fingerprint)
	return hex.EncodeToString(sum.Sum(nil))
}
