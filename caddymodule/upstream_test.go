package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/google/go-cmp/cmp"
)

// newUpstream loads a reverse_proxy with the given settings.
func newUpstream(t *testing.T, settings string, limit int64) (*upstream, error) {
	t.Helper()
	off := false
	ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &off}}})
	if err != nil {
		t.Fatal(err)
	}
	return loadUpstream(ctx, &Bridge{UpstreamRaw: json.RawMessage(settings)}, limit)
}

func proxyTo(address string) string {
	return `{"handler":"reverse_proxy","upstreams":[{"dial":"` + address + `"}]}`
}

func mustUpstream(t *testing.T, settings string, limit int64) *upstream {
	t.Helper()
	u, err := newUpstream(t, settings, limit)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// backendOf starts a backend and returns its address.
func backendOf(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func send(t *testing.T, ctx context.Context, u *upstream, method, body string) (*http.Response, string, error) {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = io.NopCloser(strings.NewReader(body))
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://api.example.com/appstore/apps?page=1", reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.ContentLength = int64(len(body))
	}
	req.Header.Set("Authorization", "Bearer signed")
	req.Header["User-Agent"] = []string{"mcp-edge/test"}
	answer, err := u.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text), nil
}

func TestTheBackendGetsWhatTheBridgeBuiltAndNothingMore(t *testing.T) {
	var got *http.Request
	var body string
	address := backendOf(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, body = r, string(raw)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	answer, text, err := send(t, t.Context(), mustUpstream(t, proxyTo(address), 1<<20), http.MethodPost, `{"a":1}`)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusCreated || text != `{"ok":true}` || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("answer is %d %q %v", answer.StatusCode, text, answer.Header)
	}
	want := http.Header{
		"Authorization": {"Bearer signed"}, "User-Agent": {"mcp-edge/test"}, "Content-Length": {"7"},
		"Via": {"1.1 Caddy"}, "Accept-Encoding": {"gzip"}, // of the proxy itself
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("headers, want (-), got (+):\n%s", diff)
	}
	if got.Host != "api.example.com" || got.URL.RequestURI() != "/appstore/apps?page=1" || body != `{"a":1}` {
		t.Errorf("request is %s %s %q", got.Host, got.URL, body)
	}
}

func TestAnAnswerLongerThanTheLimitIsCutThere(t *testing.T) {
	address := backendOf(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}
	})
	_, text, err := send(t, t.Context(), mustUpstream(t, proxyTo(address), 5001), http.MethodGet, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(text) != 5001 {
		t.Errorf("kept %d bytes, want 5001", len(text))
	}
}

func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	address := backendOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	})
	_, text, err := send(t, t.Context(), mustUpstream(t, proxyTo(address), 1<<20), http.MethodGet, "")
	if err == nil {
		t.Fatalf("half an answer was taken for a whole one: %q", text)
	}
	if isDial(err) {
		t.Errorf("the request was sent, but the error says that it was not: %v", err)
	}
}

// isDial is how the bridge tells that a request was never sent.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func TestABackendThatCannotBeReachedIsToldFromOneThatFailed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	dropping := backendOf(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	unhealthy := `{"handler":"reverse_proxy","upstreams":[{"dial":"` + dropping + `"}],"health_checks":{"passive":{"fail_duration":"1h","max_fails":1}}}`
	for name, test := range map[string]struct {
		settings string
		before   int // requests that fail first
		want     bool
	}{
		"nobody listens: not sent":                             {proxyTo(closed), 0, true},
		"the connection drops after the request: may be sent":  {proxyTo(dropping), 0, false},
		"every upstream is marked down: not sent":              {unhealthy, 1, true},
		"nobody listens although it was tried again: not sent": {`{"handler":"reverse_proxy","upstreams":[{"dial":"` + closed + `"}],"load_balancing":{"retries":2}}`, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			u := mustUpstream(t, test.settings, 1<<20)
			for range test.before {
				if _, _, err := send(t, t.Context(), u, http.MethodPost, "{}"); err == nil {
					t.Fatal("was answered")
				}
			}
			_, _, err := send(t, t.Context(), u, http.MethodPost, "{}")
			if err == nil {
				t.Fatal("was answered")
			}
			if isDial(err) != test.want {
				t.Errorf("not sent is %t, want %t: %v", isDial(err), test.want, err)
			}
		})
	}
}

func TestWhatMayHaveArrivedIsNeverSentAgain(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		t.Run(method, func(t *testing.T) {
			var arrived atomic.Int32
			address := backendOf(t, func(http.ResponseWriter, *http.Request) {
				arrived.Add(1)
				panic(http.ErrAbortHandler)
			})
			settings := `{"handler":"reverse_proxy","upstreams":[{"dial":"` + address + `"}],"load_balancing":{"retries":5,"try_duration":"5s","try_interval":"1ms"}}`
			body := ""
			if method == http.MethodPost {
				body = "{}"
			}
			if _, _, err := send(t, t.Context(), mustUpstream(t, settings, 1<<20), method, body); err == nil {
				t.Fatal("was answered")
			}
			if n := arrived.Load(); n != 1 {
				t.Errorf("arrived %d times", n)
			}
		})
	}
}

func TestACallerThatGoesAwayEndsTheRequest(t *testing.T) {
	arrived := make(chan struct{})
	address := backendOf(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, _, err := send(t, ctx, mustUpstream(t, proxyTo(address), 1<<20), http.MethodGet, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

func TestAnUpstreamThatCouldChangeARequestIsRefused(t *testing.T) {
	for name, settings := range map[string]string{
		"another handler":                `{"handler":"static_response"}`,
		"no address":                     `{"handler":"reverse_proxy"}`,
		"a rewrite":                      `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"rewrite":{"method":"PUT"}}`,
		"a retry matcher":                `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"load_balancing":{"retry_match":[{"method":["POST"]}]}}`,
		"a response handler":             `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"handle_response":[{}]}`,
		"the credential set":             `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"headers":{"request":{"set":{"authorization":["x"]}}}}`,
		"the credential deleted":         `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"headers":{"request":{"delete":["Auth*"]}}}`,
		"the credential replaced":        `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"headers":{"request":{"replace":{"Authorization":[{"search":"a","replace":"b"}]}}}}`,
		"a header that names a person":   `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"headers":{"request":{"add":{"X_Forwarded_User":["x"]}}}}`,
		"a header name that is computed": `{"handler":"reverse_proxy","upstreams":[{"dial":"x:1"}],"headers":{"request":{"set":{"{env.NAME}":["x"]}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newUpstream(t, settings, 1); err == nil {
				t.Error("was accepted")
			}
		})
	}
}
