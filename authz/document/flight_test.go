package document_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

// gated is a fetcher that answers when it is told to.
type gated struct {
	asked   atomic.Int32
	release chan struct{}
	body    string
}

func (g *gated) Get(ctx context.Context, _ string) (*safehttp.Answer, error) {
	g.asked.Add(1)
	select {
	case <-ctx.Done():
		return nil, &safehttp.Error{Kind: safehttp.ErrUnavailable, Detail: ctx.Err().Error()}
	case <-g.release:
		return &safehttp.Answer{Body: []byte(g.body), Header: http.Header{}}, nil
	}
}

// inBubble returns a service over a gated fetcher, for use with synctest.
func inBubble(t *testing.T, g *gated) *document.Service {
	t.Helper()
	m := newMemory()
	s, err := document.New(document.Config{
		Profiles: profiles{agent: {"acme-agent", "Acme Agent"}}, Fetcher: g, Clients: m, Copies: m,
		Audit: &audittest.Memory{}, Pinned: []document.Pinned{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFiftyWhoAskAtOnceCauseOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{release: make(chan struct{}), body: text(agent, callback)}
		s := inBubble(t, g)
		defer s.Close()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := s.Client(t.Context(), agent); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(g.release)
		wg.Wait()
		if n := g.asked.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestFetchOutlivesWhoAskedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{release: make(chan struct{}), body: text(agent, callback)}
		s := inBubble(t, g)
		defer s.Close()
		first, leave := context.WithCancel(t.Context())
		gone, stayed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := s.Client(first, agent)
			gone <- err
		}()
		synctest.Wait()
		go func() {
			_, err := s.Client(t.Context(), agent)
			stayed <- err
		}()
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("who left is told %v", err)
		}
		close(g.release)
		if err := <-stayed; err != nil {
			t.Errorf("who stayed is told %v", err)
		}
		if n := g.asked.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestCloseEndsFetchesAndStartsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{release: make(chan struct{})}
		s := inBubble(t, g)
		done := make(chan error, 1)
		go func() {
			_, err := s.Client(t.Context(), agent)
			done <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-done; !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if _, err := s.Client(t.Context(), agent); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("after Close: %v", err)
		}
		if n := g.asked.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestRunRefreshesAtOnceAndThenAtEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gated{release: make(chan struct{}), body: text(agent, callback)}
		close(g.release)
		s := inBubble(t, g)
		defer s.Close()
		if _, err := s.Client(t.Context(), agent); err != nil { // in use from now on
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.Run(ctx, time.Hour)
		}()
		for want := int32(2); want <= 4; want++ {
			synctest.Wait()
			if n := g.asked.Load(); n != want {
				t.Errorf("%d fetches, want %d", n, want)
			}
			time.Sleep(time.Hour)
		}
		cancel()
		<-stopped
	})
}
