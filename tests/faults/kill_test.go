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

// perKill is how many rotations are made between two kills at least, so that
// 500 kills come with 50,000.
const perKill = 100

// tally is what is counted while the gateway is killed.
type tally struct {
	rotations, retries, replays atomic.Int64
	// lost counts grants whose newest token was refused, forked tokens that had two
	// successors, faults answers of 5xx other than a 503 that says when to come back.
	lost, forked, faults atomic.Int64
}

// TestKillDuringRefreshesLosesAndForksNoGrant kills the gateway by SIGKILL
// while assistants refresh without pause. An assistant that gets no answer
// presents the same token again, as real ones do. A grant is lost when its
// newest token is refused, and forked when one token ever has two successors.
func TestKillDuringRefreshesLosesAndForksNoGrant(t *testing.T) {
	const assistants = 8
	// Between a kill and the retry lies a restart; the grace must cover it.
	g := gateway.Start(t, stack.Options{}, gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"), "rotation_grace 60s", "rotation_grace 10m"))
	var n tally
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
		wg.Go(func() { refreshUntil(t, stop, a, tokens.RefreshToken, &n) })
	}
	begin, killed := time.Now(), 0
	for ; killed < *kills && !t.Failed(); killed++ {
		// Kill in the middle of work: after some more rotations have been made.
		for before := n.rotations.Load(); n.rotations.Load() < before+perKill && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		g.Kill()
		g.Run()
	}
	close(stop)
	wg.Wait()
	t.Logf("%d kills, %d rotations, %d retries without an answer, %d replays, %d lost, %d forked, %d answers of 5xx that are not a 503 with Retry-After; %v",
		killed, n.rotations.Load(), n.retries.Load(), n.replays.Load(), n.lost.Load(), n.forked.Load(), n.faults.Load(), time.Since(begin).Round(time.Second))
	if made := n.rotations.Load(); made < int64(killed)*perKill {
		t.Errorf("%d rotations are too few to say anything", made)
	}
}

// refreshUntil rotates one grant until stop is closed.
func refreshUntil(t *testing.T, stop <-chan struct{}, a *assistant.Assistant, token string, count *tally) {
	var previous string // the token before, while nothing is known to have happened since
	for n := 0; ; {
		select {
		case <-stop:
			// The grant must be alive at the end, too.
			if answer, err := a.Refresh(context.WithoutCancel(t.Context()), token); err != nil || answer.Status != http.StatusOK {
				count.lost.Add(1)
				t.Errorf("at the end the grant is lost: %v, %d %s", err, answer.Status, answer.Body)
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
			count.retries.Add(1)
			if !again {
				previous = "" // the rotation may have been made without an answer
			}
			time.Sleep(5 * time.Millisecond)
		case answer.Status == http.StatusOK && again:
			if answer.Tokens().RefreshToken != token {
				count.forked.Add(1)
				t.Error("the grant is forked: one token has two successors")
				return
			}
			count.replays.Add(1)
			n++
		case answer.Status == http.StatusOK:
			previous, token = token, answer.Tokens().RefreshToken
			count.rotations.Add(1)
			n++
		case answer.Status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
			count.retries.Add(1)
			previous = ""
		case answer.Status >= http.StatusInternalServerError:
			count.faults.Add(1)
			t.Errorf("a fault that does not say when to come back: %d %s", answer.Status, answer.Body)
			previous = ""
			time.Sleep(5 * time.Millisecond)
		default:
			count.lost.Add(1)
			t.Errorf("the grant is lost: %d %s", answer.Status, answer.Body)
			return
		}
	}
}
