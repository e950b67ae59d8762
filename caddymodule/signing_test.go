package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
)

// published returns the ids in the key set that the gateway serves.
func (g *gateway) published() []string {
	g.t.Helper()
	answer, err := g.client.Get("http://" + g.auth + "/jwks.json")
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		g.t.Fatal(err)
	}
	if got, want := answer.Header.Get("Cache-Control"), fmt.Sprintf("public, max-age=%d", int(keys.CacheLife.Seconds())); got != want {
		g.t.Errorf("Cache-Control %q, want %q: the overlap is computed from it", got, want)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.KID)
	}
	return ids
}

func TestARunningGatewayPublishesARotationOfItsStorage(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	before := g.published()
	storage := fmt.Appendf(nil, `{"storage": {"module": "file_system", "root": %q}}`, g.dir+"/caddy")
	var out bytes.Buffer
	if err := (keysCommand{rotate: true, clock: clock.System}).run(storage, &out); err != nil {
		t.Fatal(err)
	}
	// What the watch does each minute.
	refreshKeys(t.Context(), g.app().running.Load().runtime.keys, slog.New(slog.DiscardHandler))
	if after := g.published(); len(before) != 2 || len(after) != 4 {
		t.Errorf("published before: %v, after: %v", before, after)
	}
	for _, id := range g.published() {
		if !strings.Contains(out.String(), id) {
			t.Errorf("%s was not printed", id)
		}
	}
}

// The whole way: what reverse_proxy makes of a signed request still verifies.
func TestMessageSignaturesSurviveTheProxy(t *testing.T) {
	for _, alg := range []string{"eddsa", "es256"} {
		t.Run(alg, func(t *testing.T) {
			g := newGateway(t)
			var verifier *assertion.Verifier
			results := make(chan error, 8)
			serve := g.backend.Config.Handler
			g.backend.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := verifier.Verify(r, nil)
				results <- err
				serve.ServeHTTP(w, r)
			})
			config := strings.Replace(g.caddyfile(policyOf{}), "toolset appstore\n", "toolset appstore\n\t\talg "+alg+"\n\t\tsignature rfc9421\n", 1)
			if err := g.load(config); err != nil {
				t.Fatal(err)
			}
			replay, err := assertion.NewReplay(assertion.ReplayWindow)
			if err != nil {
				t.Fatal(err)
			}
			verifier, err = assertion.NewVerifier(assertion.VerifierConfig{
				Issuer: "http://" + g.auth, Audience: "https://api.example.com", RequireMessage: true, Replay: replay,
				Keys: assertion.NewKeySet(assertion.FromURL("http://"+g.auth+"/jwks.json", g.client), nil),
			})
			if err != nil {
				t.Fatal(err)
			}
			token := g.token()
			for range 2 { // the same read twice: each has a signature of its own
				if status, text, err := g.search(t.Context(), token, "a b/ü&x=1"); err != nil || status != http.StatusOK || strings.Contains(text, `"isError":true`) {
					t.Fatalf("%d %s %v", status, text, err)
				}
			}
			if len(results) < 2 {
				t.Fatalf("the backend got %d requests", len(results))
			}
			for range len(results) {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
