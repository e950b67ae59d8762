package e2e_test

import (
	"context"
	"flag"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

var rounds = flag.Int("rounds", 10, "how often 50 refreshes of one token race each other")

const (
	racers = 50
	// perGrant bounds the rotations of one grant, and the requests of one address,
	// as no assistant reaches either.
	perGrant = 100
)

// TestFiftyRefreshesOfOneTokenGetOneSuccessor is what several processes of an
// assistant do that share one token. In each round all of them win the same
// pair; afterwards there is one lineage, to which every token ever used leads.
func TestFiftyRefreshesOfOneTokenGetOneSuccessor(t *testing.T) {
	// The first token must still be inside its grace after the last round.
	g := gateway.Start(t, stack.Options{}, gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"), "rotation_grace 60s", "rotation_grace 10m"))
	begin := time.Now()
	for left := *rounds; left > 0; left -= perGrant {
		raceForOneGrant(t, g, min(left, perGrant))
	}
	t.Logf("%d rounds, %d refreshes, each answered 200, one pair in each round; %v", *rounds, *rounds*racers, time.Since(begin).Round(time.Millisecond))
}

func raceForOneGrant(t *testing.T, g *gateway.Gateway, rounds int) {
	t.Helper()
	a := register(t, g)
	a.HTTP = g.Stranger(t)
	first := connect(t, g, a, "member", "")
	lineage := []assistant.Tokens{first}
	for round := range rounds {
		current := lineage[round]
		answers := parallel(t, racers, func(ctx context.Context) (assistant.Answer, error) { return a.Refresh(ctx, current.RefreshToken) })
		pair := answers[0].Tokens()
		for _, answer := range answers {
			if answer.Status != http.StatusOK || answer.Tokens().RefreshToken != pair.RefreshToken || answer.Tokens().AccessToken != pair.AccessToken || pair.AccessToken == "" {
				t.Fatalf("round %d: got %d %s", round, answer.Status, answer.Body)
			}
		}
		if pair.RefreshToken == current.RefreshToken || pair.AccessToken == current.AccessToken {
			t.Fatalf("round %d did not rotate", round)
		}
		lineage = append(lineage, pair)
	}
	newest := lineage[rounds]
	for _, round := range []int{0, rounds / 2, rounds - 1} {
		leadsToTheNewest(t, a, lineage, round)
	}
	worksFor(t, a, "the first access token", first.AccessToken, http.StatusOK)
	worksFor(t, a, "the newest access token", newest.AccessToken, http.StatusOK)

	// One lineage ends as one.
	if answer := must[assistant.Answer](t)(a.Revoke(t.Context(), newest.RefreshToken)); answer.Status != http.StatusOK {
		t.Fatalf("revoke: %d %s", answer.Status, answer.Body)
	}
	for round, tokens := range lineage {
		if answer := must[assistant.Answer](t)(a.Refresh(t.Context(), tokens.RefreshToken)); answer.Status != http.StatusBadRequest || answer.Error() != "invalid_grant" {
			t.Fatalf("the token of round %d outlives the grant: %d %s", round, answer.Status, answer.Body)
		}
	}
	worksFor(t, a, "the first access token", first.AccessToken, http.StatusUnauthorized)
	worksFor(t, a, "the newest access token", newest.AccessToken, http.StatusUnauthorized)
}

// leadsToTheNewest presents an old token, and what it is answered with, until
// that is the newest pair. The gateway goes some rotations ahead in each answer;
// it never hands out a pair that was not there before.
func leadsToTheNewest(t *testing.T, a *assistant.Assistant, lineage []assistant.Tokens, from int) {
	t.Helper()
	for at := from; at < len(lineage)-1; {
		answer := must[assistant.Answer](t)(a.Refresh(t.Context(), lineage[at].RefreshToken))
		next := slices.IndexFunc(lineage, func(pair assistant.Tokens) bool {
			return pair.RefreshToken == answer.Tokens().RefreshToken && pair.AccessToken == answer.Tokens().AccessToken
		})
		if answer.Status != http.StatusOK || next <= at {
			t.Fatalf("the token of round %d leads from round %d to %d: %d %s", from, at, next, answer.Status, answer.Body)
		}
		at = next
	}
}

// worksFor wants a read with the token to be answered by that status.
func worksFor(t *testing.T, a *assistant.Assistant, what, token string, status int) {
	t.Helper()
	if r := must[assistant.CallResult](t)(a.Call(t.Context(), token, "search_apps", `{}`)); r.Status != status || r.Result.IsError {
		t.Errorf("%s: %d %s, want %d", what, r.Status, r.Body, status)
	}
}
