package session_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

// jar is a browser's cookies.
type jar map[string]string

func (j jar) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://auth.example/", nil)
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (j jar) keep(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	for _, c := range rec.Result().Cookies() {
		if len(c.Name)+len(c.Value) > 4000 {
			t.Errorf("cookie %s has %d bytes: browsers drop it", c.Name, len(c.Value))
		}
		if c.MaxAge < 0 {
			delete(j, c.Name)
			continue
		}
		j[c.Name] = c.Value
	}
}

func newTransactions(t *testing.T, c clock.Clock) *session.Transactions {
	t.Helper()
	sealer, err := opaque.NewSealer([][]byte{bytes.Repeat([]byte("s"), 32)})
	if err != nil {
		t.Fatal(err)
	}
	txs, err := session.NewTransactions(sealer, c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return txs
}

func begin(t *testing.T, txs *session.Transactions, j jar, req session.Request) session.Transaction {
	t.Helper()
	rec := httptest.NewRecorder()
	tx, err := txs.Begin(rec, j.request(), req)
	if err != nil {
		t.Fatal(err)
	}
	j.keep(t, rec)
	return tx
}

func newClock() *clock.Fake { return clock.NewFake(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)) }

func TestATransactionComesBackAsItWasGiven(t *testing.T) {
	age := 60
	for _, state := range [][]byte{nil, []byte("short"), {0xff, 0xfe, 0x01}, bytes.Repeat([]byte{0xff}, 2048)} {
		t.Run(fmt.Sprintf("with a state of %d bytes", len(state)), func(t *testing.T) {
			txs, j := newTransactions(t, newClock()), jar{}
			want := begin(t, txs, j, session.Request{
				ClientID: "c", RedirectURI: "https://a/" + strings.Repeat("r", 2000), State: state, MaxAge: &age,
				Refusal: &session.Refusal{Code: "invalid_request", Description: "d", Reason: "client/bad_request"},
			})
			got, err := txs.Load(j.request(), want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("transaction (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATransactionThatDoesNotCount(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *clock.Fake, j jar, id string) string // returns the id to ask for
	}{
		{"is ten minutes old", func(c *clock.Fake, _ jar, id string) string { c.Advance(10 * time.Minute); return id }},
		{"has a changed cookie", func(_ *clock.Fake, j jar, id string) string {
			for name, value := range j {
				j[name] = value[:len(value)-2] + "AA"
			}
			return id
		}},
		{"lost a part of itself", func(_ *clock.Fake, j jar, id string) string {
			delete(j, "__Host-mcp_edge_tx_"+id+"_1")
			return id
		}},
		{"has another name than it was sealed with", func(_ *clock.Fake, j jar, id string) string {
			other := strings.Repeat("0", len(id))
			for name, value := range j {
				j[strings.ReplaceAll(name, id, other)] = value
			}
			return other
		}},
		{"is asked for with no id", func(*clock.Fake, jar, string) string { return "" }},
		{"is asked for in capitals", func(_ *clock.Fake, _ jar, id string) string { return strings.ToUpper(id) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, j := newClock(), jar{}
			txs := newTransactions(t, c)
			tx := begin(t, txs, j, session.Request{RedirectURI: strings.Repeat("r", 4000)})
			id := tt.change(c, j, tx.ID)
			if _, err := txs.Load(j.request(), id); !errors.Is(err, session.ErrNoTransaction) {
				t.Errorf("got error %v, want ErrNoTransaction", err)
			}
		})
	}
}

func TestABrowserKeepsEightTransactionsAndTheOldestGoes(t *testing.T) {
	c, j := newClock(), jar{}
	txs := newTransactions(t, c)
	var ids []string
	for range 10 {
		tx := begin(t, txs, j, session.Request{ClientID: "c"})
		rec := httptest.NewRecorder()
		if _, err := txs.BeginUpstream(rec, tx, "acme.com"); err != nil {
			t.Fatal(err)
		}
		j.keep(t, rec)
		ids = append(ids, tx.ID)
		c.Advance(time.Second)
	}
	for i, id := range ids {
		_, err := txs.Load(j.request(), id)
		if gone := i < 2; gone != errors.Is(err, session.ErrNoTransaction) {
			t.Errorf("transaction %d: error %v", i+1, err)
		}
	}
	if len(j) != 16 {
		t.Errorf("%d cookies, want 16: those of dropped transactions go with them", len(j))
	}
}

func TestLargeTransactionsDoNotFillTheRequestHeader(t *testing.T) {
	c, j := newClock(), jar{}
	txs := newTransactions(t, c)
	var last session.Transaction
	for range 8 {
		last = begin(t, txs, j, session.Request{State: bytes.Repeat([]byte("s"), 2048), RedirectURI: strings.Repeat("r", 2048)})
		c.Advance(time.Second)
	}
	total := 0
	for name, value := range j {
		total += len(name) + len(value)
	}
	if total > 20<<10 {
		t.Errorf("%d bytes of cookies", total)
	}
	if _, err := txs.Load(j.request(), last.ID); err != nil {
		t.Errorf("the newest is gone: %v", err)
	}
}

func TestATransactionThatIsTooLargeIsRefused(t *testing.T) {
	txs := newTransactions(t, newClock())
	_, err := txs.Begin(httptest.NewRecorder(), jar{}.request(), session.Request{RedirectURI: strings.Repeat("r", 20000)})
	if err == nil {
		t.Error("it was accepted")
	}
}

func TestEndingATransactionDropsAllOfItsCookies(t *testing.T) {
	txs, j := newTransactions(t, newClock()), jar{}
	tx := begin(t, txs, j, session.Request{RedirectURI: strings.Repeat("r", 4000)})
	rec := httptest.NewRecorder()
	if _, err := txs.BeginUpstream(rec, tx, "acme.com"); err != nil {
		t.Fatal(err)
	}
	j.keep(t, rec)
	rec = httptest.NewRecorder()
	txs.End(rec, j.request(), tx.ID)
	j.keep(t, rec)
	if len(j) != 0 {
		t.Errorf("%d cookies are left", len(j))
	}
}

func TestAnUpstreamSignInIsUsedOnceAndInItsOwnBrowser(t *testing.T) {
	c, j := newClock(), jar{}
	txs := newTransactions(t, c)
	tx := begin(t, txs, j, session.Request{})
	rec := httptest.NewRecorder()
	up, err := txs.BeginUpstream(rec, tx, "acme.com")
	if err != nil {
		t.Fatal(err)
	}
	j.keep(t, rec)
	take := func(j jar, domain, state string) bool {
		rec := httptest.NewRecorder()
		got, ok := txs.TakeUpstream(rec, j.request(), domain, state)
		j.keep(t, rec)
		if ok && !cmp.Equal(up, got) {
			t.Errorf("got %+v, want %+v", got, up)
		}
		return ok
	}
	if take(jar{}, "acme.com", up.State) {
		t.Error("another browser's state is believed")
	}
	late := jar{}
	for name, value := range j {
		late[name] = value
	}
	if !take(j, "acme.com", up.State) {
		t.Error("its own state is not believed")
	}
	if take(j, "acme.com", up.State) {
		t.Error("a state is believed twice")
	}
	c.Advance(session.TransactionLifetime)
	if take(late, "acme.com", up.State) {
		t.Error("a state is believed after ten minutes")
	}
}

func TestACookieSealedForOnePurposeDoesNotOpenForAnother(t *testing.T) {
	txs, j := newTransactions(t, newClock()), jar{}
	tx := begin(t, txs, j, session.Request{})
	sealed := strings.TrimPrefix(j["__Host-mcp_edge_tx_"+tx.ID+"_0"], "1.")
	j["__Host-mcp_edge_idp_"+tx.ID] = sealed
	if _, ok := txs.TakeUpstream(httptest.NewRecorder(), j.request(), "", tx.ID+"."); ok {
		t.Error("a transaction was taken for an upstream sign-in")
	}
}

// FuzzLoad reads any cookie under any id: it never panics and never believes it.
func FuzzLoad(f *testing.F) {
	f.Add("00000000000000000000000000000000", "1.AAAA")
	f.Add("00000000000000000000000000000000", "4.")
	f.Add("", "-1.x")
	sealer, err := opaque.NewSealer([][]byte{bytes.Repeat([]byte("s"), 32)})
	if err != nil {
		f.Fatal(err)
	}
	txs, err := session.NewTransactions(sealer, newClock(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, value string) {
		r := jar{"__Host-mcp_edge_tx_" + id + "_0": value, "__Host-mcp_edge_idp_" + id: value}.request()
		if _, err := txs.Load(r, id); err == nil {
			t.Error("a made-up transaction was believed")
		}
		if _, ok := txs.TakeUpstream(httptest.NewRecorder(), r, "acme.com", id+"."+value); ok {
			t.Error("a made-up sign-in was believed")
		}
		if _, err := txs.Begin(httptest.NewRecorder(), r, session.Request{}); err != nil {
			t.Errorf("begin: %v", err)
		}
	})
}
