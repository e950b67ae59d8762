package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/limit/limittest"
	"github.com/teamlumos/mcp-edge/authz/limit/redis"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func TestMain(m *testing.M) {
	// The client thins out its looks at a topology by a goroutine that sleeps for a
	// second and ends, also after Close.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// patient is a budget that a busy machine keeps, for tests that are not about it.
const patient = 10 * time.Second

// watch is an Observer.
type watch struct {
	mu      sync.Mutex
	changed chan struct{}
	shared  bool
	changes int
	here    int
}

func newWatch() *watch { return &watch{changed: make(chan struct{}, 64)} }

func (w *watch) Shared(is bool) {
	w.mu.Lock()
	w.shared, w.changes = is, w.changes+1
	w.mu.Unlock()
	w.changed <- struct{}{}
}

func (w *watch) CountedHere() {
	w.mu.Lock()
	w.here++
	w.mu.Unlock()
}

func (w *watch) state() (shared bool, changes, here int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shared, w.changes, w.here
}

// until waits for the state to change to shared.
func (w *watch) until(t *testing.T, shared bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		if now, changes, _ := w.state(); now == shared && changes > 0 {
			return
		}
		select {
		case <-w.changed:
		case <-deadline:
			t.Fatalf("it does not become %t that the server is asked", shared)
		}
	}
}

func newEngine(t testing.TB, c redis.Config) *redis.Engine {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e, err := redis.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func newClient(t testing.TB, s *limittest.Server) rueidis.Client {
	t.Helper()
	option, err := redis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func do(t testing.TB, c rueidis.Client, command ...string) rueidis.RedisResult {
	t.Helper()
	r := c.Do(t.Context(), c.B().Arbitrary(command...).Build())
	if err := r.Error(); err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%s: %v", command[0], err)
	}
	return r
}

// timed is an engine whose server believes the clock of a test.
type timed struct {
	*redis.Engine
	set func(time.Time)
	c   *clock.Fake
}

func (e *timed) Take(ctx context.Context, b limit.Buckets) limit.Verdicts {
	e.set(e.c.Now())
	return e.Engine.Take(ctx, b)
}

func TestTheSharedEngineConforms(t *testing.T) {
	server := limittest.StartServer(t)
	client := newClient(t, server)
	limittest.Run(t, func(t *testing.T, c *clock.Fake) limit.Engine {
		do(t, client, "FLUSHDB")
		seen := newWatch()
		e := newEngine(t, redis.Config{URL: server.URL(), Budget: patient, Observer: seen})
		redis.UseClockOfTest(e)
		t.Cleanup(func() {
			if _, _, here := seen.state(); here > 0 {
				t.Errorf("%d events were not counted at the server", here)
			}
		})
		return &timed{Engine: e, c: c, set: func(now time.Time) {
			do(t, client, "HSET", redis.ClockKey, "s", strconv.FormatInt(now.Unix(), 10), "us", strconv.Itoa(now.Nanosecond()/1000))
		}}
	})
}

// one is the bucket of one event in an hour, or more.
func one(key string, burst int) limit.Buckets {
	return limit.Buckets{{Key: key, Rate: limit.Rate{Events: 1, Per: time.Hour, Burst: burst}}}
}

func TestTwoGatewaysShareTheirBuckets(t *testing.T) {
	server := limittest.StartServer(t)
	a := newEngine(t, redis.Config{URL: server.URL(), Budget: patient})
	b := newEngine(t, redis.Config{URL: server.URL(), Budget: patient})
	passed := 0
	for range 10 {
		for _, e := range []*redis.Engine{a, b} {
			if e.Take(t.Context(), one("{acme.com}", 7)).OK() {
				passed++
			}
		}
	}
	if passed != 7 {
		t.Errorf("%d passed, want 7", passed)
	}
}

func TestTheServersOwnClockDecides(t *testing.T) {
	server := limittest.StartServer(t)
	e := newEngine(t, redis.Config{URL: server.URL(), Budget: patient})
	b := limit.Buckets{{Key: "{acme.com}", Rate: limit.Rate{Events: 20, Per: time.Second, Burst: 1}}}
	if !e.Take(t.Context(), b).OK() {
		t.Fatal("the first is refused")
	}
	for {
		v := e.Take(t.Context(), b)
		if v.OK() {
			return
		}
		if v[0].RetryAfter <= 0 || v[0].RetryAfter > 50*time.Millisecond+time.Microsecond {
			t.Fatalf("%+v", v)
		}
		<-time.After(v[0].RetryAfter) // that the time of another process passes is what is tested
	}
}

func TestAServerThatForgotTheScriptGetsItAgain(t *testing.T) {
	server := limittest.StartServer(t)
	seen := newWatch()
	e := newEngine(t, redis.Config{URL: server.URL(), Budget: patient, Observer: seen})
	client := newClient(t, server)
	e.Take(t.Context(), one("{acme.com}", 2))
	do(t, client, "SCRIPT", "FLUSH")
	if v := e.Take(t.Context(), one("{acme.com}", 2)); v[0].Remaining != 0 {
		t.Errorf("%+v, want none to remain", v)
	}
	if _, _, here := seen.state(); here != 0 {
		t.Errorf("%d events were not counted at the server", here)
	}
}

func TestAKeyLivesAsLongAsItsBucketIsNotFull(t *testing.T) {
	server := limittest.StartServer(t)
	e := newEngine(t, redis.Config{URL: server.URL(), Budget: patient})
	client := newClient(t, server)
	for range 3 {
		e.Take(t.Context(), one("{acme.com}rX", 5))
	}
	e.Take(t.Context(), limit.Buckets{one("{acme.com}rY", 1)[0], one("{acme.com}rX", 3)[0]}) // is refused
	keys, err := do(t, client, "KEYS", "*acme*").AsStrSlice()
	if err != nil || len(keys) != 1 || keys[0] != "mcp-edge:{acme.com}rX" {
		t.Fatalf("keys %q, %v", keys, err)
	}
	left, err := do(t, client, "PTTL", keys[0]).AsInt64()
	if err != nil || left > (3*time.Hour+time.Second).Milliseconds() || left < (3*time.Hour-time.Minute).Milliseconds() {
		t.Errorf("it lives for %d ms, %v", left, err)
	}
}

func TestAnOutageNeitherOpensNorShutsAndEnds(t *testing.T) {
	for name, test := range map[string]struct {
		breaks, mends func(*limittest.Server)
	}{
		"the server is killed and comes back empty": {(*limittest.Server).Kill, (*limittest.Server).Start},
		"the server hangs":                          {(*limittest.Server).Freeze, (*limittest.Server).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			server := limittest.StartServer(t)
			var log lockedLog
			seen := newWatch()
			e := newEngine(t, redis.Config{URL: server.URL(), Observer: seen, Log: slog.New(slog.NewTextHandler(&log, nil))})
			seen.until(t, true)
			e.Take(t.Context(), one("{acme.com}", 5))

			test.breaks(server)
			began, passed := time.Now(), 0
			const events = 100
			for range events {
				if e.Take(t.Context(), one("{acme.com}", 5)).OK() {
					passed++
				}
			}
			// Most of them must not wait at all: only those until the outage is known.
			if took := time.Since(began); took > events*redis.DefaultBudget/4 {
				t.Errorf("%d events took %v", events, took)
			}
			if passed != 5 {
				t.Errorf("%d passed meanwhile, want the 5 of this gateway alone", passed)
			}
			shared, _, here := seen.state()
			if shared || here == 0 {
				t.Errorf("the observer was told shared %t, %d events here", shared, here)
			}

			test.mends(server)
			seen.until(t, true)
			client := newClient(t, server)
			do(t, client, "SET", "mcp-edge:{acme.com}", "9e15") // spent, as another gateway would have
			if e.Take(t.Context(), one("{acme.com}", 5)).OK() {
				if shared, _, _ := seen.state(); shared {
					t.Error("after the return it still counts by itself")
				}
			}
			if got := log.String(); strings.Count(got, "\n") != 2 || strings.Contains(got, "password") {
				t.Errorf("the log, want one line for each change and no secret:\n%s", got)
			}
		})
	}
}

func TestAServerThatIsNotThereAtTheStartIsFoundLater(t *testing.T) {
	server := limittest.StartServer(t)
	server.Kill()
	seen := newWatch()
	e := newEngine(t, redis.Config{URL: server.URL(), Observer: seen})
	if shared, _, _ := seen.state(); shared {
		t.Fatal("a server that does not run is asked")
	}
	passed := 0
	for range 10 {
		if e.Take(t.Context(), one("{acme.com}", 3)).OK() {
			passed++
		}
	}
	if passed != 3 {
		t.Errorf("%d passed, want 3", passed)
	}
	server.Start()
	seen.until(t, true)
}

func TestAServerThatCannotCountIsNotAsked(t *testing.T) {
	server := limittest.StartServer(t)
	seen := newWatch()
	e := newEngine(t, redis.Config{URL: server.URL(), Budget: patient, Observer: seen})
	seen.until(t, true)
	client := newClient(t, server)
	do(t, client, "REPLICAOF", "127.0.0.1", "1") // answers a PING, and writes nothing
	if v := e.Take(t.Context(), one("{acme.com}", 1)); !v.OK() {
		t.Errorf("shut: %+v", v)
	}
	if v := e.Take(t.Context(), one("{acme.com}", 1)); v.OK() {
		t.Errorf("open: %+v", v)
	}
	seen.until(t, false)
	do(t, client, "REPLICAOF", "NO", "ONE")
	seen.until(t, true)
}

func TestAClientThatHangsUpDoesNotLookLikeAnOutage(t *testing.T) {
	server := limittest.StartServer(t)
	seen := newWatch()
	e := newEngine(t, redis.Config{URL: server.URL(), Budget: patient, Observer: seen})
	seen.until(t, true)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5 {
		e.Take(gone, one("{acme.com}", 5))
	}
	if v := e.Take(t.Context(), one("{acme.com}", 5)); v.OK() {
		t.Error("events of clients that are gone were not counted")
	}
	if shared, _, here := seen.state(); !shared || here != 0 {
		t.Errorf("shared %t, %d events here", shared, here)
	}
}

func TestAnEngineEndsWhileItsServerHangs(t *testing.T) {
	server := limittest.StartServer(t)
	e, err := redis.New(t.Context(), redis.Config{URL: server.URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server.Freeze()
	for range 5 {
		e.Take(t.Context(), one("{acme.com}", 5))
	}
	began := time.Now()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAddresses(t *testing.T) {
	for raw, good := range map[string]bool{
		"redis://localhost":                     true,
		"redis://10.0.0.5:6379/2":               true,
		"rediss://edge:s3cret@redis.acme.com":   true,
		"redis://:s3cret@[::1]:6379":            true,
		"unix:///run/redis.sock":                true,
		"unix:///run/redis.sock?db=2":           true,
		"":                                      false,
		"rediss://redis.acme.com?skip_verify=1": false,
		"localhost:6379":                        false,
		"http://localhost":                      false,
		"redis://":                              false,
		"redis:///run/redis.sock":               false,
		"unix://host/run/redis.sock":            false,
		"redis://:s3cret@host:notaport":         false,
		"redis://:s3cret@localhost/notanumber":  false,
	} {
		_, err := redis.ParseURL(raw)
		if (err == nil) != good {
			t.Errorf("%s: %v", raw, err)
		}
		if err != nil && (!errors.Is(err, redis.ErrURL) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: %v", raw, err)
		}
		if good {
			continue
		}
		if _, err := redis.New(t.Context(), redis.Config{URL: raw}); !errors.Is(err, redis.ErrURL) {
			t.Errorf("New with %s: %v", raw, err)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	server := limittest.StartServer(b)
	e := newEngine(b, redis.Config{URL: server.URL(), Budget: patient})
	rate := limit.Rate{Events: 1_000_000, Per: time.Second, Burst: 1_000_000}
	buckets := limit.Buckets{{Key: "{acme.com}rKUXBW6hkLtVrRTwxQ3qTvA", Rate: rate}, {Key: "{acme.com}", Rate: rate}}
	b.Run("one after the other", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Take(b.Context(), buckets)
		}
	})
	b.Run("32 at once", func(b *testing.B) {
		b.SetParallelism(16)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				e.Take(b.Context(), buckets)
			}
		})
	})
}

type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestAnAccountWithTheRightsOfTheDocumentationIsEnough: docs/limits.md names them.
func TestAnAccountWithTheRightsOfTheDocumentationIsEnough(t *testing.T) {
	server := limittest.StartServer(t)
	client := newClient(t, server)
	do(t, client, "ACL", "SETUSER", "edge", "on", ">s3cret", "~mcp-edge:*", "+evalsha", "+eval", "+get", "+set", "+time")
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("edge", "s3cret")
	seen := newWatch()
	e := newEngine(t, redis.Config{URL: u.String(), Budget: patient, Observer: seen})
	if v := e.Take(t.Context(), one("{acme.com}", 3)); v[0].Remaining != 2 {
		t.Errorf("%+v", v)
	}
	if shared, _, here := seen.state(); !shared || here != 0 {
		t.Errorf("shared %t, %d events here", shared, here)
	}
}

func TestAWrongPasswordIsAnOutageThatSaysSoWithoutIt(t *testing.T) {
	server := limittest.StartServer(t)
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("", "wr0ng")
	var log lockedLog
	seen := newWatch()
	e := newEngine(t, redis.Config{URL: u.String(), Observer: seen, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if v := e.Take(t.Context(), one("{acme.com}", 1)); !v.OK() {
		t.Errorf("shut: %+v", v)
	}
	if got := log.String(); !strings.Contains(got, "WRONGPASS") || strings.Contains(got, "wr0ng") {
		t.Errorf("the log: %s", got)
	}
}
