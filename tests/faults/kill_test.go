// Package faults_test breaks things on purpose and counts what is lost.
package faults_test

import (
	"context"
	"flag"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

var kills = flag.Int("kills", 50, "how often the gateway is killed")

// TestKillDuringRefreshesLosesAndForksNoGrant kills the gateway by SIGKILL
// while assistants refresh without pause. An assistant that gets no answer
// presents the same token again, as real ones do. A grant is lost when its
// newest token is refused, and forked when one token ever has two successors.
func TestKillDuringRefreshesLosesAndForksNoGrant(t *testing.T) {
	const assistants = 8
	// Between a kill and the retry lies a restart; the grace must cover it.
	g := gateway.Start(t, stack.Options{}, gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"), "rotation_grace 60s", "rotation_grace 10m"))
	var rotations, retries atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range assistants {
		a, err := assistant.Register(t.Context(), g.Stack.Client(), g.Stack.Issuer, g.Stack.Resource)
		if err != nil {
			t.Fatal(err)
		}
		member := g.Stack.User("member")
		tokens, err := a.Connect(t.Context(), robot.New(g.Stack.Transport(), robot.Person{Email: member.Email, Password: member.Password}), "")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { refreshUntil(t, stop, a, tokens.RefreshToken, &rotations, &retries) })
	}
	for range *kills {
		// Kill in the middle of work: after some more rotations have been made.
		for before := rotations.Load(); rotations.Load() < before+20 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		if t.Failed() {
			break
		}
		g.Kill()
		g.Run()
	}
	close(stop)
	wg.Wait()
	t.Logf("%d kills, %d rotations, %d retries without an answer", *kills, rotations.Load(), retries.Load())
}

// refreshUntil rotates one grant until stop is closed.
func refreshUntil(t *testing.T, stop <-chan struct{}, a *assistant.Assistant, token string, rotations, retries *atomic.Int64) {
	var previous string // the token before, while nothing is known to have happened since
	for n := 0; ; {
		select {
		case <-stop:
			// The grant must be alive at the end, too.
			if answer, err := a.Refresh(context.WithoutCancel(t.Context()), token); err != nil || answer.Status != http.StatusOK {
				t.Errorf("at the end: %v, %d %s", err, answer.Status, answer.Body)
			}
			return
		default:
		}
		// Now and then the token before is presented again: whatever was killed in
		// between, its answer must still be the one successor.
		again := n%5 == 4 && previous != ""
		presented := token
		if again {
			presented = previous
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		answer, err := a.Refresh(ctx, presented)
		cancel()
		switch {
		case err != nil: // killed in flight, or not up yet
			retries.Add(1)
			if !again {
				previous = "" // the rotation may have been made without an answer
			}
			time.Sleep(5 * time.Millisecond)
		case answer.Status == http.StatusOK && again:
			if answer.Tokens().RefreshToken != token {
				t.Error("the grant is forked: one token has two successors")
				return
			}
			n++
		case answer.Status == http.StatusOK:
			previous, token = token, answer.Tokens().RefreshToken
			rotations.Add(1)
			n++
		case answer.Status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
			retries.Add(1)
			previous = ""
		default:
			t.Errorf("the grant is lost: %d %s", answer.Status, answer.Body)
			return
		}
	}
}
