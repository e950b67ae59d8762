package hostile_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store/sqlite"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/tests/assistant"
)

var flood = flag.Duration("flood", 2*time.Second, "how long random bearer tokens are sent")

// floodRate is how many random tokens are sent in a second.
const floodRate = 5000

// randomToken is a bearer token that nobody issued: noise, or an issued one that
// was changed in its MAC, its secret, its kind or its length.
func randomToken(issued string, n int) string {
	noise := make([]byte, 96)
	_, _ = rand.Read(noise) // never fails (Go 1.24)
	text := base64.RawURLEncoding.EncodeToString(noise)
	middle := len(issued) / 2
	switch n % 7 {
	case 0:
		return text
	case 1:
		return "lma_" + text
	case 2: // the MAC
		return issued[:len(issued)-20] + text[:20]
	case 3:
		return issued[:middle] + text[:8] + issued[middle+8:]
	case 4:
		return "lmr_" + strings.TrimPrefix(issued, "lma_")
	case 5:
		return issued + text[:4]
	}
	return issued[:len(issued)-1-n%10]
}

// TestRandomBearerTokensCostNoRead verifies tokens as the resource server does,
// over a store that is closed: a made-up token is told from an issued one by its
// MAC, so that nobody misses the store.
func TestRandomBearerTokensCostNoRead(t *testing.T) {
	store := must(t, func() (*sqlite.Store, error) {
		return sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "edge.db")})
	})
	if err := errors.Join(store.Migrate(t.Context()), store.Close()); err != nil {
		t.Fatal(err)
	}
	minter := must(t, func() (*opaque.Minter, error) {
		return opaque.NewMinter([]opaque.MACKey{{ID: "k", Key: make([]byte, 32)}}, rand.Reader)
	})
	grants := must(t, func() (*grant.Service, error) {
		return grant.New(grant.Config{Store: store, Minter: minter, Policy: nobody{}, Rand: rand.Reader})
	})
	issued, _ := minter.Mint(opaque.Access, opaque.NewID(rand.Reader), 0)
	refresh, _ := minter.Mint(opaque.Refresh, opaque.NewID(rand.Reader), 0)
	verify := func(token string) error {
		_, err := grants.Verify(t.Context(), token, "https://api.example/mcp")
		return err
	}
	begin := time.Now()
	tokens := int(floodRate * flood.Seconds())
	for n := range tokens {
		token := randomToken(issued, n)
		if n%11 == 0 {
			token = refresh // well made, but of another kind
		}
		if invalid := (*grant.InvalidError)(nil); !errors.As(verify(token), &invalid) {
			t.Fatalf("%s: %v, want an invalid token", token, verify(token))
		}
	}
	t.Logf("%d random tokens in %v, %d reads of the store", tokens, time.Since(begin), grants.StoreReads())
	if grants.StoreReads() != 0 {
		t.Errorf("%d reads of the store", grants.StoreReads())
	}
	// Both can tell: a token with a good MAC is looked up, and the store is missed.
	if invalid := (*grant.InvalidError)(nil); errors.As(verify(issued), &invalid) || grants.StoreReads() != 1 {
		t.Errorf("an issued token: %v, %d reads of the store", verify(issued), grants.StoreReads())
	}
}

// nobody is a policy that admits no one.
type nobody struct{}

// Admit implements grant.Policy.
func (nobody) Admit(policy.Subject) reason.Reason { return reason.UserNotAllowed }

// Revision implements grant.Policy.
func (nobody) Revision() uint64 { return 1 }

// TestHonestCallsGoOnDuringAFloodOfRandomTokens sends random tokens over the
// wire, while a person's assistant goes on working.
func TestHonestCallsGoOnDuringAFloodOfRandomTokens(t *testing.T) {
	w := start(t)
	a := w.register(t)
	honest := w.connect(t, a, "member", readScope)
	before := len(w.AuditLines())

	ctx, stop := context.WithTimeout(t.Context(), *flood)
	defer stop()
	const workers = 16
	var sent atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		client := w.stranger(t)
		wg.Go(func() {
			tick := time.NewTicker(time.Second * workers / floodRate)
			defer tick.Stop()
			for n := worker; ; n += workers {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				req := newRequest(t, http.MethodPost, w.resource, searchApps, "Content-Type", jsonType, "Authorization", "Bearer "+randomToken(honest.AccessToken, n))
				answer, err := assistant.Do(client, req)
				if err != nil || answer.Status != http.StatusUnauthorized {
					t.Errorf("a random token: %v, %d %s", err, answer.Status, answer.Body)
					return
				}
				sent.Add(1)
			}
		})
	}
	calls := 0
	for ctx.Err() == nil {
		w.alive(t, "the honest token", honest.AccessToken)
		calls++
	}
	wg.Wait()
	if answer := w.refresh(t, a, honest.RefreshToken); answer.Status != http.StatusOK {
		t.Errorf("the honest refresh: %d %s", answer.Status, answer.Body)
	}
	// Failures of strangers are not written down one by one.
	lines := len(w.AuditLines()) - before - calls
	t.Logf("%d random tokens in %v, %d honest calls, %d further audit lines", sent.Load(), *flood, calls, lines)
	if sent.Load() < 100 || calls < 10 {
		t.Error("there was no flood, or nobody honest")
	}
	if most := 10 + 5*int(flood.Seconds()); lines > most {
		t.Errorf("%d audit lines, want at most %d", lines, most)
	}
}
