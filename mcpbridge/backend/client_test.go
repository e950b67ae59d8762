package backend_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// signer is an assertion that shows what it was asked for.
type signer struct {
	last atomic.Pointer[assertion.Request]
	err  error
}

func (s *signer) Sign(r assertion.Request) (string, error) {
	s.last.Store(&r)
	return "signed", s.err
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newClient(tb testing.TB, base string, transport http.RoundTripper) (*backend.Client, *signer) {
	tb.Helper()
	u, err := url.Parse(base)
	if err != nil {
		tb.Fatal(err)
	}
	s := new(signer)
	c, err := backend.New(backend.Config{
		Base: u, Transport: transport, Credential: backend.Assertion{Signer: s}, Clock: clock.NewFake(now), Version: "1.2.3", MaxAnswer: 1000,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c, s
}

// serve starts a backend and returns a client of it.
func serve(tb testing.TB, h http.HandlerFunc) (*backend.Client, *signer) {
	tb.Helper()
	srv := httptest.NewServer(h)
	transport := &http.Transport{}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
	})
	return newClient(tb, srv.URL, transport)
}

func read() *backend.Request {
	return &backend.Request{
		Person: backend.Person{Email: "ada@example.com", Domain: "example.com", Subject: "user-1", ClientID: "client-1", TXN: "txn-1"},
		Scope:  "s", Permissions: []string{"p"},
		Method: http.MethodGet, Path: []string{"appstore", "apps"},
	}
}

func write() *backend.Request {
	r := read()
	r.Method, r.Path, r.Body = http.MethodPost, []string{"appstore", "access_request"}, []byte(`{"app_id":"a"}`)
	return r
}

func asError(tb testing.TB, err error) *backend.Error {
	tb.Helper()
	var e *backend.Error
	if !errors.As(err, &e) {
		tb.Fatalf("error %v is not an *Error", err)
	}
	return e
}

func TestRequestCarriesOurHeadersAndNothingElse(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	c, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	r := write()
	answer, err := c.Do(t.Context(), r)
	if err != nil || string(answer) != `{"ok":true}` {
		t.Fatalf("Do = %s, %v", answer, err)
	}
	want := http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer signed"},
		"Content-Length": {"14"}, "Content-Type": {"application/json"},
		"User-Agent": {"mcp-edge/1.2.3"}, "X-Request-Id": {"txn-1"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("headers differ (-want +got):\n%s", diff)
	}
	if got.RequestURI != "/appstore/access_request" || got.Method != http.MethodPost || string(body) != `{"app_id":"a"}` {
		t.Errorf("%s %s %s", got.Method, got.RequestURI, body)
	}
	signed := assertion.Request{
		UserID: "user-1", Email: "ada@example.com", DomainID: "example.com", ClientID: "client-1", Scope: "s", Permissions: []string{"p"},
		Transaction: "txn-1", Method: "POST", Path: "/appstore/access_request", Body: []byte(`{"app_id":"a"}`),
	}
	if diff := cmp.Diff(&signed, s.last.Load()); diff != "" {
		t.Errorf("what is signed differs (-want +got):\n%s", diff)
	}
}

func TestHostileHeaderValuesAreLeftOut(t *testing.T) {
	t.Parallel()
	var got http.Header
	c, _ := newClient(t, "https://api.example.com", roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return jsonAnswer(200, `{}`), nil
	}))
	r := read()
	r.Person.TXN = "txn\r\nX-Evil: 1"
	if _, err := c.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Request-Id") != "" || got.Get("X-Evil") != "" {
		t.Errorf("headers = %v", got)
	}
}

func TestPartsCannotLeaveTheirPlace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		segment string
		ok      bool
	}{
		{"a UUID", "0f5b7c1e-0000-4000-8000-0000000000a1", true},
		{"all that is allowed", "aZ09-._~", true},
		{"three dots are a name", "...", true},
		{"one dot", ".", false},
		{"two dots", "..", false},
		{"empty", "", false},
		{"slash", "a/b", false},
		{"backslash", `a\b`, false},
		{"encoded slash", "a%2fb", false},
		{"encoded dots", "%2e%2e", false},
		{"query", "a?b", false},
		{"fragment", "a#b", false},
		{"path parameter", "a;b", false},
		{"space", "a b", false},
		{"line break", "a\r\nb", false},
		{"NUL", "a\x00", false},
		{"slash of another script", "a\u2215b", false},
		{"full width dots", "\uff0e\uff0e", false},
		{"128 characters", strings.Repeat("a", 128), true},
		{"129 characters", strings.Repeat("a", 129), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sent := ""
			c, _ := newClient(t, "https://api.example.com", roundTrip(func(r *http.Request) (*http.Response, error) {
				sent = r.URL.RequestURI()
				return jsonAnswer(200, `{}`), nil
			}))
			r := read()
			r.Path = []string{"appstore", "apps", tt.segment, "settings"}
			_, err := c.Do(t.Context(), r)
			if tt.ok {
				if want := "/appstore/apps/" + tt.segment + "/settings"; err != nil || sent != want {
					t.Errorf("sent %q, %v; want %q", sent, err, want)
				}
				return
			}
			if e := asError(t, err); e.Kind != backend.Internal || !errors.Is(err, backend.ErrSegment) || sent != "" {
				t.Errorf("sent %q, %v; want ErrSegment", sent, err)
			}
		})
	}
}

func TestQueryValuesAreEncoded(t *testing.T) {
	t.Parallel()
	var got url.Values
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Query()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{}`)
	})
	hostile := "a&all_visibilities=true#x\r\ny\x00 +%26;=ü"
	r := read()
	r.Query = []backend.Param{{Name: "name_search", Value: hostile}, {Name: "statuses", Value: "A"}, {Name: "statuses", Value: "B"}}
	if _, err := c.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(url.Values{"name_search": {hostile}, "statuses": {"A", "B"}}, got); diff != "" {
		t.Errorf("query differs (-want +got):\n%s", diff)
	}
	r.Query = []backend.Param{{Name: "q", Value: strings.Repeat("x", 9000)}}
	if _, err := c.Do(t.Context(), r); asError(t, err).Kind != backend.Internal {
		t.Errorf("a query of 9,000 bytes: %v", err)
	}
}

func TestOnlyKnownMethodsAreSent(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, "https://api.example.com", roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("something was sent")
		return jsonAnswer(200, `{}`), nil
	}))
	for _, method := range []string{"", "HEAD", "OPTIONS", "CONNECT", "get", "GET /x HTTP/1.1\r\nX: "} {
		r := read()
		r.Method = method
		if _, err := c.Do(t.Context(), r); err == nil {
			t.Errorf("method %q was accepted", method)
		}
	}
	r := read()
	r.Body = []byte("{}")
	if _, err := c.Do(t.Context(), r); err == nil {
		t.Error("a GET with a body was accepted")
	}
}

func TestNothingIsSentUnsigned(t *testing.T) {
	t.Parallel()
	c, s := newClient(t, "https://api.example.com", roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("something was sent")
		return jsonAnswer(200, `{}`), nil
	}))
	s.err = errors.New("no key")
	if _, err := c.Do(t.Context(), write()); asError(t, err).Kind != backend.Internal || asError(t, err).OutcomeUnknown {
		t.Errorf("Do = %v", err)
	}
}

// jsonAnswer returns an answer that a RoundTripper may give.
func jsonAnswer(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Content-Type": {"application/json"}},
	}
}

func TestDeadlineIsTenSecondsForReadsAndThirtyForWrites(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		request *backend.Request
		want    time.Duration
		unknown bool
	}{
		{"a read", read(), 10 * time.Second, false},
		{"a write, whose outcome is then unknown", write(), 30 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := newClient(t, "https://api.example.com", roundTrip(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}))
				began := time.Now()
				_, err := c.Do(t.Context(), tt.request)
				e := asError(t, err)
				if e.Kind != backend.Timeout || e.OutcomeUnknown != tt.unknown || time.Since(began) != tt.want {
					t.Errorf("%v after %v", e, time.Since(began))
				}
			})
		})
	}
}

func TestDeadlineCoversTheBodyToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := newClient(t, "https://api.example.com", roundTrip(func(r *http.Request) (*http.Response, error) {
			a := jsonAnswer(200, "")
			a.Body = io.NopCloser(blockedReader{r.Context()})
			return a, nil
		}))
		_, err := c.Do(t.Context(), write())
		if e := asError(t, err); e.Kind != backend.Timeout || !e.OutcomeUnknown {
			t.Errorf("Do = %v", e)
		}
	})
}

type blockedReader struct{ ctx context.Context }

func (b blockedReader) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func TestCancellingAReadIsNeitherTimeoutNorOutage(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := newClient(t, "https://api.example.com", roundTrip(func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, r.Context().Err()
	}))
	if _, err := c.Do(ctx, read()); asError(t, err).Kind != backend.Canceled {
		t.Errorf("Do = %v", err)
	}
}

func TestAWriteIsSentOnceAndOnlyAFailedConnectProvesThatItWasNot(t *testing.T) {
	t.Parallel()
	t.Run("the backend drops the connection after reading", func(t *testing.T) {
		t.Parallel()
		var posts atomic.Int32
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{}`)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			posts.Add(1)
			panic(http.ErrAbortHandler)
		})
		// A used connection is what a transport is tempted to repeat on.
		if _, err := c.Do(t.Context(), read()); err != nil {
			t.Fatal(err)
		}
		_, err := c.Do(t.Context(), write())
		if e := asError(t, err); e.Kind != backend.Unavailable || !e.OutcomeUnknown || posts.Load() != 1 {
			t.Errorf("%v after %d posts", e, posts.Load())
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		c, _ := newClient(t, "http://"+l.Addr().String(), &http.Transport{})
		_, err = c.Do(t.Context(), write())
		if e := asError(t, err); e.Kind != backend.Unavailable || e.OutcomeUnknown {
			t.Errorf("Do = %v", e)
		}
	})
	t.Run("the backend cannot be verified", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewTLSServer(http.NotFoundHandler())
		srv.Config.ErrorLog = nil
		defer srv.Close()
		c, _ := newClient(t, srv.URL, &http.Transport{})
		_, err := c.Do(t.Context(), write())
		if e := asError(t, err); e.Kind != backend.Unavailable || e.OutcomeUnknown {
			t.Errorf("Do = %v", e)
		}
	})
}

func TestOtherWritesAreSentWithTheirBody(t *testing.T) {
	t.Parallel()
	var got []string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.RequestURI+" "+string(body))
		w.WriteHeader(http.StatusAccepted)
	})
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		r := write()
		r.Method, r.Slash = method, true
		answer, err := c.Exchange(t.Context(), r)
		if err != nil || answer.Status != http.StatusAccepted || answer.Body != nil {
			t.Errorf("%s: %+v, %v", method, answer, err)
		}
	}
	if want := []string{`PUT /appstore/access_request/ {"app_id":"a"}`, `PATCH /appstore/access_request/ {"app_id":"a"}`}; !slices.Equal(got, want) {
		t.Errorf("sent %q", got)
	}
}

func TestAListInAQueryKeepsItsCommasApart(t *testing.T) {
	t.Parallel()
	var got string
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r.URL.RawQuery })
	r := read()
	r.Query = []backend.Param{{Name: "a&b", List: []string{"1", "x,y", "&z=#"}}, {Name: "empty", List: []string{}}}
	if _, err := c.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got != "a%26b=1,x%2Cy,%26z%3D%23&empty=" {
		t.Errorf("query %q", got)
	}
}

func TestAHeaderOfTheInterfaceIsSentAndAnyOtherRefused(t *testing.T) {
	t.Parallel()
	var got http.Header
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header })
	r := read()
	r.Header = []backend.Param{{Name: "idempotency-key", Value: "k 1"}, {Name: "X-Tenant", Value: "a"}}
	if _, err := c.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got.Get("Idempotency-Key") != "k 1" || got.Get("X-Tenant") != "a" {
		t.Errorf("sent %v", got)
	}
	got = nil
	for _, header := range []backend.Param{
		{Name: "Authorization", Value: "x"}, {Name: "authorization", Value: "x"}, {Name: "Cookie", Value: "x"}, {Name: "Host", Value: "x"},
		{Name: "Content-Type", Value: "x"}, {Name: "content-anything", Value: "x"}, {Name: "Proxy-Authorization", Value: "x"}, {Name: "Transfer-Encoding", Value: "x"},
		{Name: "X-Forwarded-For", Value: "x"}, {Name: "X-User-Id", Value: "x"}, {Name: "x-lumos-user", Value: "x"}, {Name: "Remote_User", Value: "x"},
		{Name: "X-Request-Id", Value: "x"}, {Name: "X-HTTP-Method-Override", Value: "DELETE"}, {Name: "DPoP", Value: "x"}, {Name: "", Value: "x"}, {Name: "X A", Value: "x"}, {Name: "X:", Value: "x"},
		{Name: "X-A", Value: "a\r\nB: c"}, {Name: "X-A", Value: ""}, {Name: "X-A", Value: " a"}, {Name: "X-A", Value: "\u00e4"}, {Name: "X-A", Value: strings.Repeat("a", 513)},
	} {
		r := read()
		r.Header = []backend.Param{header}
		if _, err := c.Do(t.Context(), r); !errors.Is(err, backend.ErrHeader) {
			t.Errorf("%q was accepted: %v", header, err)
		}
	}
	r.Header = []backend.Param{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}
	if _, err := c.Do(t.Context(), r); !errors.Is(err, backend.ErrHeader) {
		t.Errorf("a field twice: %v", err)
	}
	if got != nil {
		t.Errorf("something was sent: %v", got)
	}
}
