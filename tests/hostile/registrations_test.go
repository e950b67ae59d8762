package hostile_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // counts the rows of the gateway's database, read-only

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// fullFlood is the number of registrations from which on figures are judged too.
const fullFlood = 100_000

var registrations = flag.Int("registrations", 5000, "how many registrations flood the gateway, of each kind")

const (
	floodWorkers = 16
	// sharedBy is how many registrations come from one address when a flood comes
	// from many: as much as an address may send at once.
	sharedBy = 1000
	// mostNew is how many different registrations of one profile are kept within an
	// hour, whoever sends them: 200 at once and one a minute.
	mostNew = 260
	// listWithin is what the list of clients may take during a flood.
	listWithin = time.Second
)

// TestAFloodOfRegistrationsFillsNothingAndStopsNobody: one plugin that registers
// every quarter of an hour, or one that does so as fast as it can, has filled
// tables with a million clients elsewhere.
func TestAFloodOfRegistrationsFillsNothingAndStopsNobody(t *testing.T) {
	start(t).run(t,
		part{"identical ones", func(t *testing.T, w *world) {
			body := []byte(`{"client_name":"MCP Inspector","redirect_uris":["` + inspectorRedirect + `"],"token_endpoint_auth_method":"none"}`)
			w.withstand(t, func(int) []byte { return body }, 1)
		}},
		part{"identical ones, each with a port of its own", func(t *testing.T, w *world) {
			w.withstand(t, func(n int) []byte {
				return fmt.Appendf(nil, `{"client_name":"MCP Inspector","redirect_uris":["http://localhost:%d/oauth/callback"],"token_endpoint_auth_method":"none"}`, 1024+n%60000)
			}, 1)
		}},
		part{"different ones [E41]", func(t *testing.T, w *world) {
			w.withstand(t, func(n int) []byte {
				return fmt.Appendf(nil, `{"client_name":"Inspector %d","redirect_uris":["`+inspectorRedirect+`"],"token_endpoint_auth_method":"none"}`, n)
			}, mostNew)
		}},
		part{"refused ones", func(t *testing.T, w *world) {
			w.withstand(t, func(n int) []byte {
				return fmt.Appendf(nil, `{"client_name":"x","redirect_uris":["https://h%d.%s/cb"]}`, n, evil)
			}, mostNew)
		}},
	)
}

// withstand floods the gateway, half from one address and half from many, and
// wants that nothing grows, that refusals say when to come again, and that a known
// assistant at another address is not stopped.
func (w *world) withstand(t *testing.T, body func(n int) []byte, mostRows int) {
	lines := len(w.AuditLines())
	ctx, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	var honest, lists tally
	beside.Go(func() { w.honestly(ctx, t, &honest) })
	beside.Go(func() { w.lookOn(ctx, t, &lists) })
	begin := time.Now()
	first := w.flood(t, *registrations/2, 1, body)
	second := w.flood(t, *registrations-*registrations/2, (*registrations+sharedBy-1)/sharedBy, func(n int) []byte { return body(*registrations/2 + n) })
	took := time.Since(begin)
	stop()
	beside.Wait()

	rows := w.rows(t)
	sent := first.sent() + second.sent()
	grown := len(w.AuditLines()) - lines
	t.Logf("%d registrations in %.1f s, %.0f a second: created %d, refused %d, too many %d; rows: %v; database %d KiB; %d audit lines; "+
		"an honest assistant came in %d times, the slowest %v; the operators' lists %d times, the slowest %v",
		sent, took.Seconds(), float64(sent)/took.Seconds(), first.created.Load()+second.created.Load(), first.refused.Load()+second.refused.Load(),
		first.limited.Load()+second.limited.Load(), rows, w.databaseSize(t)>>10, grown, honest.n, honest.slowest.Round(time.Millisecond), lists.n, lists.slowest.Round(time.Millisecond))
	if sent != int64(*registrations) || second.created.Load()+second.refused.Load() == 0 {
		t.Errorf("%d of %d registrations were sent", sent, *registrations)
	}
	if *registrations >= 5000 && first.limited.Load() == 0 {
		t.Error("one address may send without end")
	}
	// The rows of earlier floods are there still.
	if rows["registrations"] > int64(mostNew+10) || mostRows == 1 && rows["registrations"] > 10 || rows["rejections"] > 500 {
		t.Errorf("rows: %v", rows)
	}
	if rows["clients"] != w.approvals.Load() {
		t.Errorf("%d clients have a row, and people approved %d", rows["clients"], w.approvals.Load())
	}
	if size := w.databaseSize(t); size > 16<<20 {
		t.Errorf("the database has %d bytes", size)
	}
	if most := mostRows + 20*(int(took.Seconds())+2) + 20*honest.n; grown > most {
		t.Errorf("%d audit lines, want at most %d", grown, most)
	}
	if honest.n == 0 || lists.n == 0 {
		t.Errorf("an honest assistant came in %d times, operators saw %d lists", honest.n, lists.n)
	}
	if *registrations >= fullFlood && lists.slowest > listWithin {
		t.Errorf("the list took %v, want at most %v", lists.slowest, listWithin)
	}
}

// tally counts what succeeded and how long the slowest took.
type tally struct {
	n       int
	slowest time.Duration
}

func (y *tally) add(took time.Duration) {
	y.n++
	y.slowest = max(y.slowest, took)
}

// outcome counts the answers to a flood.
type outcome struct{ created, refused, limited atomic.Int64 }

func (o *outcome) sent() int64 { return o.created.Load() + o.refused.Load() + o.limited.Load() }

// flood sends n registrations from so many addresses.
func (w *world) flood(t *testing.T, n, addresses int, body func(n int) []byte) *outcome {
	t.Helper()
	clients := make([]*http.Client, addresses)
	for i := range clients {
		clients[i] = w.stranger(t)
	}
	var o outcome
	var next atomic.Int64
	var wg sync.WaitGroup
	for range floodWorkers {
		wg.Go(func() {
			for !t.Failed() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				req := newRequest(t, http.MethodPost, w.issuer+"/register", string(body(i)), "Content-Type", jsonType)
				answer, err := assistant.Do(clients[i*addresses/n], req)
				if err != nil {
					t.Error(err)
					return
				}
				o.count(t, answer)
			}
		})
	}
	wg.Wait()
	return &o
}

func (o *outcome) count(t *testing.T, a assistant.Answer) {
	switch {
	case a.Status == http.StatusCreated:
		o.created.Add(1)
	case a.Status == http.StatusBadRequest && a.Error() == "invalid_redirect_uri":
		o.refused.Add(1)
	case a.Status == http.StatusTooManyRequests && a.Header.Get("Retry-After") != "" && a.Header.Get("Retry-After") != "0":
		o.limited.Add(1)
	default:
		t.Errorf("a registration: %d, Retry-After %q, %s", a.Status, a.Header.Get("Retry-After"), a.Body)
	}
}

// honestly lets a known assistant at another address register, sign a person in,
// call and leave, at most once a second, until ctx ends.
func (w *world) honestly(ctx context.Context, t *testing.T, y *tally) {
	inner := w.transportFrom(t, net.IPv4(127, 0, 0, 2))
	for pace := time.NewTicker(time.Second); ; {
		begin := time.Now()
		a, err := assistant.Register(t.Context(), &http.Client{Transport: inner, Timeout: 30 * time.Second}, w.issuer, w.resource)
		if err != nil {
			t.Errorf("an honest assistant: %v", err)
			return
		}
		tokens, err := a.Connect(t.Context(), w.personBy("member", inner), readScope)
		if err != nil {
			t.Errorf("an honest person: %v", err)
			return
		}
		w.approvals.Add(1)
		if answer, err := a.MCP(t.Context(), tokens.AccessToken, searchApps); err != nil || answer.Status != http.StatusOK || strings.Contains(string(answer.Body), `"isError":true`) {
			t.Errorf("an honest call: %v %d %s", err, answer.Status, answer.Body)
			return
		}
		y.add(time.Since(begin))
		select {
		case <-ctx.Done():
			pace.Stop()
			return
		case <-pace.C:
		}
	}
}

// transportFrom is a transport that comes from one address.
func (w *world) transportFrom(t *testing.T, from net.IP) *http.Transport {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 10 * time.Second}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: w.trust(t), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// lookOn reads the operators' lists once a second until ctx ends.
func (w *world) lookOn(ctx context.Context, t *testing.T, y *tally) {
	_, socket, _ := strings.Cut(w.AdminAddress(), "/")
	admin := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer admin.CloseIdleConnections()
	for pace := time.NewTicker(time.Second); ; {
		for _, list := range []string{"/mcp_edge/clients?limit=1000", "/mcp_edge/rejections?limit=1000"} {
			begin := time.Now()
			answer, err := assistant.Do(admin, newRequest(t, http.MethodGet, "http://127.0.0.1"+list, ""))
			if err != nil || answer.Status != http.StatusOK {
				t.Errorf("%s: %v %d %s", list, err, answer.Status, answer.Body)
				return
			}
			y.add(time.Since(begin))
		}
		select {
		case <-ctx.Done():
			pace.Stop()
			return
		case <-pace.C:
		}
	}
}

// rows counts what registrations could fill.
func (w *world) rows(t *testing.T) map[string]int64 {
	t.Helper()
	db := must(t, func() (*sql.DB, error) {
		return sql.Open("sqlite", "file:"+filepath.Join(w.Stack.Data, "edge.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	})
	defer db.Close()
	counts := map[string]int64{}
	for _, table := range []string{"clients", "registrations", "removed_clients", "rejections"} {
		var n int64
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[table] = n
	}
	return counts
}
