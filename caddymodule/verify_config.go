package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
)

const (
	defaultVerifiedBody = 1 << 20
	maxVerifiedBody     = 64 << 20
	// maxReplayWindow bounds the memory of accepted assertions.
	maxReplayWindow = time.Hour
)

// claimValues are what a header can get, by the name of the claim.
var claimValues = map[string]func(*assertion.Claims) string{
	"email":       func(c *assertion.Claims) string { return c.Email },
	"sub":         func(c *assertion.Claims) string { return c.Subject },
	"domain_id":   func(c *assertion.Claims) string { return c.DomainID },
	"client_id":   func(c *assertion.Claims) string { return c.ClientID },
	"scope":       func(c *assertion.Claims) string { return c.Scope },
	"permissions": func(c *assertion.Claims) string { return strings.Join(c.Permissions, " ") },
	"txn":         func(c *assertion.Claims) string { return c.Transaction },
}

// complete refuses settings that lack something.
func (v *Verify) complete() error {
	var missing []string
	if v.Issuer == "" {
		missing = append(missing, "issuer https://… (of the gateway)")
	}
	if v.Audience == "" {
		missing = append(missing, "audience https://… (of this API, as in the gateway's mcp_bridge)")
	}
	if len(missing) > 0 {
		return errors.New("mcp_verify lacks: " + strings.Join(missing, ", "))
	}
	return nil
}

func (v *Verify) check() error {
	if err := checkIssuer(v.Issuer); err != nil {
		return err
	}
	if v.JWKS != "" {
		if err := checkJWKS(v.JWKS); err != nil {
			return err
		}
	}
	if err := checkAudience(v.Audience); err != nil {
		return err
	}
	for _, h := range v.Headers {
		if err := h.check(); err != nil {
			return err
		}
	}
	if err := v.checkHeaders(); err != nil {
		return err
	}
	if v.RequireSignature != "" {
		if err := checkSignature(v.RequireSignature); err != nil {
			return err
		}
	}
	if v.MaxBody < 0 || v.MaxBody > maxVerifiedBody {
		return fmt.Errorf("max_body is %d bytes, at most %d are allowed", v.MaxBody, maxVerifiedBody)
	}
	if v.ReplayWindow != 0 {
		return v.checkReplayWindow()
	}
	return nil
}

// checkReplayWindow refuses to forget what can still be accepted.
func (v *Verify) checkReplayWindow() error {
	if w := time.Duration(v.ReplayWindow); w < assertion.ReplayWindow || w > maxReplayWindow {
		return fmt.Errorf("replay_window is %v, allowed is %v to %v, or off", w, assertion.ReplayWindow, maxReplayWindow)
	}
	return nil
}

// checkJWKS accepts where a key set is: https, http on this computer, or a file.
func checkJWKS(s string) error {
	if !strings.Contains(s, "://") {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("jwks %q is neither a URL like https://auth.example.com/jwks.json nor a file", s)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Errorf("jwks %q is not https: whoever answers there decides which signatures are good; http is accepted for localhost only", s)
	}
	return nil
}

// checkHeaders refuses two headers that a backend could take for one.
func (v *Verify) checkHeaders() error {
	seen := make(map[string]string, len(v.Headers))
	for _, h := range v.Headers {
		canonical := httpx.Canonical(h.Name)
		if other, twice := seen[canonical]; twice {
			return fmt.Errorf("header %s is given twice: a backend may read %s as the same", h.Name, other)
		}
		seen[canonical] = h.Name
	}
	return nil
}

// reservedHeaders mean something to HTTP, to this handler or to reverse_proxy,
// which sets them itself.
var reservedHeaders = map[string]bool{
	"authorization": true, "proxy-authorization": true, "cookie": true, "host": true, "connection": true, "keep-alive": true, "te": true,
	"trailer": true, "transfer-encoding": true, "upgrade": true, "expect": true, "proxy-connection": true, "signature": true, "signature-input": true,
	"forwarded": true, "x-forwarded-for": true, "x-forwarded-host": true, "x-forwarded-proto": true,
}

func (h IdentityHeader) check() error {
	if h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return fmt.Errorf("header %q is not a name of letters, digits and dashes: backends differ in how they read others", h.Name)
	}
	if canonical := httpx.Canonical(h.Name); reservedHeaders[canonical] || strings.HasPrefix(canonical, "content-") {
		return fmt.Errorf("header %s cannot be used for an identity: it has a meaning of its own", h.Name)
	}
	if _, known := claimValues[h.Claim]; !known {
		return fmt.Errorf("unknown claim {%s} of header %s: %s", h.Claim, h.Name, suggest(h.Claim, slices.Sorted(maps.Keys(claimValues))))
	}
	return nil
}

// verifying keeps the issuers' key sets and what was accepted, which must outlive
// a reload: what was accepted before it must not be accepted again after it.
var verifying = caddy.NewUsagePool()

// shared is a value of the pool; there is nothing to close.
type shared[T any] struct{ value T }

// Destruct implements caddy.Destructor.
func (shared[T]) Destruct() error { return nil }

// acquire takes a shared value from the pool until v.Cleanup.
func acquire[T any](v *Verify, key string, create func() (T, error)) (value T, err error) {
	held, _, err := verifying.LoadOrNew(key, func() (caddy.Destructor, error) {
		made, err := create()
		return shared[T]{made}, err
	})
	if err != nil {
		return value, err
	}
	v.held = append(v.held, func() error {
		_, err := verifying.Delete(key)
		return err
	})
	return held.(shared[T]).value, nil
}

func (v *Verify) acquireKeys() (*assertion.KeySet, error) {
	return acquire(v, "keys "+v.JWKS, func() (*assertion.KeySet, error) {
		if strings.Contains(v.JWKS, "://") {
			return assertion.NewKeySet(assertion.FromURL(v.JWKS, nil), v.clock), nil
		}
		return assertion.NewKeySet(assertion.FromFile(v.JWKS), v.clock), nil
	})
}

func (v *Verify) acquireReplay() (*assertion.Replay, error) {
	replay, err := acquire(v, "seen "+v.Issuer+" "+v.Audience, func() (*assertion.Replay, error) {
		return assertion.NewReplay(assertion.ReplayWindow)
	})
	if err == nil {
		replay.Extend(time.Duration(v.ReplayWindow))
	}
	return replay, err
}
