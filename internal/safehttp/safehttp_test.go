package safehttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/internal/safehttp"
)

func TestAnswerIsReturnedWithItsHeaders(t *testing.T) {
	var got http.Header
	s, cfg := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("Cache-Control", "max-age=60")
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		answer(w, `{"a":1}`)
	})
	f := fetcher(t, cfg)
	for range 2 { // the second time a cookie would come back
		a, err := f.Get(t.Context(), s.URL+"/client.json")
		if err != nil {
			t.Fatal(safehttp.Detail(err))
		}
		if string(a.Body) != `{"a":1}` || a.Header.Get("Cache-Control") != "max-age=60" {
			t.Errorf("got %q, %v", a.Body, a.Header)
		}
	}
	for name, want := range map[string]string{"Accept": "application/json", "Accept-Encoding": "identity", "Cookie": "", "Authorization": "", "Referer": ""} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestAddressesOfAnotherFormAreRefusedWithoutAPacket(t *testing.T) {
	caught := setTrap(t, "127.0.0.1:0")
	at := caught.Addr().String()
	cfg := safehttp.Config{OwnHosts: []string{"auth.example.com"}, Allow: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.2:8443")}}
	f := fetcher(t, cfg)
	for _, c := range []struct{ name, address string }{
		{"http is refused", "http://" + at + "/x"},
		{"a file is refused", "file:///etc/passwd"},
		{"no scheme is refused", at + "/x"},
		{"nothing is refused", ""},
		{"no host is refused", "https:///x"},
		{"an opaque URL is refused", "https:" + at},
		{"user information is refused", "https://user@" + at + "/x"},
		{"an empty user is refused", "https://@" + at + "/x"},
		{"a fragment is refused", "https://public.example/x#f"},
		{"an empty fragment is refused", "https://public.example/x#"},
		{"another port is refused", "https://" + at + "/x"},
		{"port 22 is refused", "https://public.example:22/x"},
		{"port 80 is refused", "https://public.example:80/x"},
		{"white space is refused", "https://public.example/ x"},
		{"a line end is refused", "https://public.example/x\r\nHost: a"},
		{"letters that are mapped to others are refused", "https://ａuth.example.com/x"},
		{"our own host is refused", "https://auth.example.com/x"},
		{"our own host in capitals is refused", "https://AUTH.example.com/x"},
		{"our own host with the root's dot is refused", "https://auth.example.com./x"},
		{"a long URL is refused", "https://public.example/" + strings.Repeat("x", 2<<10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := f.Get(t.Context(), c.address); !errors.Is(err, safehttp.ErrURL) {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := caught.count(t); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestNoPacketIsSentToAnAddressThatIsNotPublic(t *testing.T) {
	caught := setTrap(t, "127.0.0.1:0")
	port := addrPort(caught).Port()
	// The port is admitted, at another address.
	f := fetcher(t, safehttp.Config{Allow: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), port)}})
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "127.1", "0x7f000001", "2130706433", "0", "0.0.0.0", "[::ffff:0:0]"} {
		_, err := f.Get(t.Context(), fmt.Sprintf("https://%s:%d/x", host, port))
		if !errors.Is(err, safehttp.ErrUnavailable) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := caught.count(t); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestNameIsJudgedByTheAddressThatIsDialled(t *testing.T) {
	names := startNameService(t)
	s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, `{}`) })
	port := addrPort(s.Listener).Port()
	caught := setTrap(t, fmt.Sprintf("127.0.0.2:%d", port))
	cfg.Resolver = names.resolver()
	f := fetcher(t, cfg)
	address := fmt.Sprintf("https://documents.example.com:%d/client.json", port) // the test certificate is for *.example.com

	names.answer([4]byte{127, 0, 0, 1})
	if _, err := f.Get(t.Context(), address); err != nil {
		t.Fatal(safehttp.Detail(err))
	}
	names.answer([4]byte{127, 0, 0, 2}) // the name turns to an address that is not admitted
	if _, err := f.Get(t.Context(), address); !errors.Is(err, safehttp.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	names.answer([4]byte{127, 0, 0, 2}, [4]byte{127, 0, 0, 1}) // one of two is admitted
	if _, err := f.Get(t.Context(), address); err != nil {
		t.Error(safehttp.Detail(err))
	}
	if n := caught.count(t); n != 0 {
		t.Errorf("%d connections to the address that is not admitted", n)
	}
	if names.asked.Load() == 0 {
		t.Error("the name was never looked up")
	}
}

func TestOnlyStatus200IsAnAnswer(t *testing.T) {
	caught := setTrap(t, "127.0.0.1:0")
	var status atomic.Int32
	s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://"+caught.Addr().String()+"/")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Load()))
	})
	// Only the address keeps a redirect away from the trap: it would be admitted.
	cfg.Allow = append(cfg.Allow, addrPort(caught))
	f := fetcher(t, cfg)
	for _, code := range []int32{201, 202, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 429, 500, 503} {
		status.Store(code)
		if _, err := f.Get(t.Context(), s.URL); !errors.Is(err, safehttp.ErrStatus) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if n := caught.count(t); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestOnlyJSONIsAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		types []string
		ok    bool
	}{
		{"application/json is read", []string{"application/json"}, true},
		{"capitals and a charset are read", []string{"Application/JSON; charset=utf-8"}, true},
		{"a +json type is read", []string{"application/client-metadata+json"}, true},
		{"a +json type without a name is refused", []string{"application/+json"}, false},
		{"HTML is refused", []string{"text/html; charset=utf-8"}, false},
		{"JSON that is called text is refused", []string{"text/json"}, false},
		{"a type that only begins like JSON is refused", []string{"application/jsonx"}, false},
		{"a broken type is refused", []string{"application/json; ="}, false},
		{"no type is refused", nil, false},
		{"an empty type is refused", []string{""}, false},
		{"two types are refused", []string{"application/json", "text/html"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = c.types
				_, _ = w.Write([]byte("{}"))
			})
			_, err := fetcher(t, cfg).Get(t.Context(), s.URL)
			if (err == nil) != c.ok || err != nil && !errors.Is(err, safehttp.ErrType) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCompressedAnswerIsRefusedUnread(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 10<<20))
	_ = z.Close()
	for _, encoding := range []string{"gzip", "br", "deflate", "GZIP"} {
		s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			answer(w, bomb.String())
		})
		if _, err := fetcher(t, cfg).Get(t.Context(), s.URL); !errors.Is(err, safehttp.ErrType) {
			t.Errorf("%s: %v", encoding, err)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		chunk bool
		ok    bool
	}{
		{"an answer of the longest length is read", 1000, false, true},
		{"also in chunks", 1000, true, true},
		{"one byte more is refused", 1001, false, false},
		{"one byte more in chunks is refused", 1001, true, false},
		{"10 MB are refused", 10 << 20, false, false},
		{"10 MB in chunks are refused", 10 << 20, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if !c.chunk {
					w.Header().Set("Content-Length", fmt.Sprint(c.size))
				}
				answer(w, strings.Repeat(" ", c.size))
			})
			cfg.MaxBytes = 1000
			a, err := fetcher(t, cfg).Get(t.Context(), s.URL)
			if (err == nil) != c.ok || err != nil && !errors.Is(err, safehttp.ErrTooLarge) || err == nil && len(a.Body) != c.size {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHeadersAreBounded(t *testing.T) {
	s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
		answer(w, "{}")
	})
	if _, err := fetcher(t, cfg).Get(t.Context(), s.URL); !errors.Is(err, safehttp.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestTimeIsBoundedForTheExchangeAsAWhole(t *testing.T) {
	for name, serveSlowly := range map[string]http.HandlerFunc{
		"no answer at all": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"headers and nothing more": func(w http.ResponseWriter, r *http.Request) {
			answer(w, "{")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"a byte now and then, never idle for long": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for tick := time.Tick(10 * time.Millisecond); ; {
				select {
				case <-r.Context().Done():
					return
				case <-tick:
					_, _ = w.Write([]byte(" "))
					_ = http.NewResponseController(w).Flush()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, cfg := serve(t, serveSlowly)
			cfg.Timeout = 200 * time.Millisecond
			if _, err := fetcher(t, cfg).Get(t.Context(), s.URL); !errors.Is(err, safehttp.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFetchesAtOneTimeAreBounded(t *testing.T) {
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		answer(w, "{}")
	})
	cfg.Concurrent, cfg.Timeout = 1, 30*time.Second
	f := fetcher(t, cfg)
	first := make(chan error, 1)
	go func() {
		_, err := f.Get(t.Context(), s.URL)
		first <- err
	}()
	<-arrived
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := f.Get(short, s.URL); !errors.Is(err, safehttp.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if len(arrived) != 0 {
		t.Error("the second fetch was sent beside the first")
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(safehttp.Detail(err))
	}
	if _, err := f.Get(t.Context(), s.URL); err != nil { // the turn was given back
		t.Error(safehttp.Detail(err))
	}
}

func TestServerHasToProveWhoItIs(t *testing.T) {
	s, cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, "{}") })
	t.Run("a certificate of an unknown authority is refused", func(t *testing.T) {
		if _, err := fetcher(t, safehttp.Config{Allow: cfg.Allow}).Get(t.Context(), s.URL); !errors.Is(err, safehttp.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a certificate for another name is refused", func(t *testing.T) {
		names := startNameService(t)
		names.answer([4]byte{127, 0, 0, 1})
		cfg := cfg
		cfg.Resolver = names.resolver()
		address := fmt.Sprintf("https://documents.example.net:%d/", addrPort(s.Listener).Port())
		if _, err := fetcher(t, cfg).Get(t.Context(), address); !errors.Is(err, safehttp.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("TLS 1.1 is refused", func(t *testing.T) {
		old := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, "{}") }))
		old.Config.ErrorLog = log.New(io.Discard, "", 0)
		old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		old.StartTLS()
		defer old.Close()
		cfg := cfg
		cfg.Allow = []netip.AddrPort{addrPort(old.Listener)}
		if _, err := fetcher(t, cfg).Get(t.Context(), old.URL); !errors.Is(err, safehttp.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestErrorSaysNothingOfTheNetworkButToTheLog(t *testing.T) {
	f := fetcher(t, safehttp.Config{Timeout: 5 * time.Second})
	var texts []string
	for _, host := range []string{"127.0.0.1", "169.254.169.254", "[64:ff9b::a9fe:a9fe]", "100.64.0.1", "0.0.0.0"} {
		_, err := f.Get(t.Context(), "https://"+host+"/x")
		if err == nil {
			t.Fatalf("%s was fetched", host)
		}
		texts = append(texts, err.Error())
		if !strings.Contains(safehttp.Detail(err), "not a public address") {
			t.Errorf("%s: the detail is %q", host, safehttp.Detail(err))
		}
		var lines bytes.Buffer
		slog.New(slog.NewJSONHandler(&lines, nil)).Warn("refused", "error", err)
		if !strings.Contains(lines.String(), "not a public address") {
			t.Errorf("the log does not say why: %s", &lines)
		}
	}
	for _, text := range texts {
		if text != safehttp.ErrUnavailable.Error() {
			t.Errorf("an error says %q", text)
		}
	}
	if got := safehttp.Detail(context.Canceled); got != context.Canceled.Error() {
		t.Errorf("the detail of another error is %q", got)
	}
}

func TestConfigurationThatCouldNotWorkIsRefused(t *testing.T) {
	for name, cfg := range map[string]safehttp.Config{
		"negative time": {Timeout: -1}, "negative size": {MaxBytes: -1}, "negative concurrency": {Concurrent: -1}, "no address": {Allow: []netip.AddrPort{{}}},
	} {
		if _, err := safehttp.New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestEndOfTheCallerEndsTheFetch(t *testing.T) {
	arrived := make(chan struct{})
	s, cfg := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	cfg.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := fetcher(t, cfg).Get(ctx, s.URL); !errors.Is(err, safehttp.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
