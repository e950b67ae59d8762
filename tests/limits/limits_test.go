package limits_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/limit/limittest"
	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/robot"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// node is a gateway with one assistant of one person.
type node struct {
	*gateway.Gateway
	client *assistant.Assistant
	token  string
}

// start runs a gateway with changed lines and limits, each like "READ=5/m".
func start(t *testing.T, edits []string, limits ...string) *node {
	t.Helper()
	for i := range limits {
		limits[i] = "MCP_EDGE_LIMIT_" + limits[i]
	}
	path := gateway.Variant(t, filepath.Join(gateway.Root(), "Caddyfile"), edits...)
	return &node{Gateway: gateway.Start(t, stack.Options{}, path, limits...)}
}

// connect has a person approve the assistant.
func (n *node) connect(t *testing.T, role string) string {
	t.Helper()
	if n.client == nil {
		var err error
		if n.client, err = assistant.Register(t.Context(), n.Stack.Client(), n.Stack.Issuer, n.Stack.Resource); err != nil {
			t.Fatal(err)
		}
	}
	u := n.Stack.User(role)
	tokens, err := n.client.Connect(t.Context(), robot.New(n.Stack.Transport(), robot.Person{Email: u.Email, Password: u.Password}), "")
	if err != nil {
		t.Fatal(err)
	}
	return tokens.AccessToken
}

// ask sends one message. A modern one has the headers of 2026-07-28.
func (n *node) ask(t *testing.T, token, body string, headers ...string) assistant.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.Stack.Resource, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := assistant.Do(n.Stack.Client(), req)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

const (
	ping   = `{"jsonrpc":"2.0","id":"p-1","method":"ping"}`
	search = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search_apps","arguments":{}}}`
	cancel = `{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"cancel_access_request","arguments":{"request_id":"00000000-0000-0000-0000-000000000000"}}}`

	modernList = `{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
)

var modernHeaders = []string{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list"}

// told reads a number that every answer to a known person must carry.
func told(t *testing.T, a assistant.Answer, name string) int {
	t.Helper()
	n, err := strconv.Atoi(a.Header.Get(name))
	if err != nil || n < 0 {
		t.Fatalf("%s is %q on %d %s", name, a.Header.Get(name), a.Status, a.Body)
	}
	return n
}

// tooMany wants a 429 that says all it must, and returns how long to wait.
func tooMany(t *testing.T, a assistant.Answer, id, bucket string) time.Duration {
	t.Helper()
	var body struct {
		ID    json.RawMessage
		Error struct {
			Code    int
			Message string
			Data    struct {
				RetryAfterSeconds int
				Bucket, Reason    string
			}
		}
	}
	if err := json.Unmarshal(a.Body, &body); err != nil || a.Status != http.StatusTooManyRequests {
		t.Fatalf("%d %s, want 429: %v", a.Status, a.Body, err)
	}
	wait := told(t, a, "Retry-After")
	if wait < 1 || body.Error.Data.RetryAfterSeconds != wait || string(body.ID) != id || body.Error.Code != 429 ||
		body.Error.Data.Bucket != bucket || body.Error.Data.Reason != "limit/"+bucket {
		t.Errorf("Retry-After %d with %s, want id %s and bucket %s", wait, a.Body, id, bucket)
	}
	if told(t, a, "X-RateLimit-Remaining") != 0 || told(t, a, "X-RateLimit-Reset") < wait || told(t, a, "X-RateLimit-Limit") < 1 {
		t.Errorf("the headers do not fit: %v", a.Header)
	}
	return time.Duration(wait) * time.Second
}

func TestAPersonAtALimitIsToldSoInBothEras(t *testing.T) {
	const origin = "http://localhost:6274"
	n := start(t, []string{"# allow_origin " + origin, "allow_origin " + origin}, "READ=30/m burst 4", "WRITE=6/m burst 1")
	member, admin := n.connect(t, "member"), n.connect(t, "admin")

	for i, a := range []assistant.Answer{
		n.ask(t, member, ping), n.ask(t, member, `{`), n.ask(t, member, modernList, modernHeaders...), n.ask(t, member, search, "Origin", origin),
	} {
		if a.Status != []int{200, 400, 200, 200}[i] {
			t.Errorf("answer %d: %d %s", i, a.Status, a.Body)
		}
		if limit, left := told(t, a, "X-RateLimit-Limit"), told(t, a, "X-RateLimit-Remaining"); limit != 4 || left < 3-i || left > 4-i {
			t.Errorf("answer %d: %d of %d left", i, left, limit)
		}
		if i == 3 && !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "X-RateLimit-Remaining") {
			t.Error("a web page may not read the limit")
		}
	}
	if a := n.ask(t, "", ping); a.Status != http.StatusUnauthorized || a.Header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("a stranger: %d with a limit of %q", a.Status, a.Header.Get("X-RateLimit-Limit"))
	}
	// One may have come back meanwhile; then the answers above took that long.
	var over assistant.Answer
	for range 50 {
		if over = n.ask(t, member, ping); over.Status != http.StatusOK {
			break
		}
	}
	wait := tooMany(t, over, `"p-1"`, "user_read")
	tooMany(t, n.ask(t, member, modernList, modernHeaders...), "9", "user_read")

	// What is one person's is no other's, and no write's.
	if a := n.ask(t, admin, search); a.Status != http.StatusOK {
		t.Errorf("another person: %d %s", a.Status, a.Body)
	}
	if a := n.ask(t, member, cancel); a.Status != http.StatusOK || told(t, a, "X-RateLimit-Limit") != 1 {
		t.Errorf("a write: %d %s", a.Status, a.Body)
	}
	tooMany(t, n.ask(t, member, cancel), "8", "user_write")

	// Retry-After of the refusal before this one, which came later than the first.
	<-time.After(wait) // that exactly this much is enough is what is tested
	if a := n.ask(t, member, search); a.Status != http.StatusOK {
		t.Errorf("after waiting %v as told: %d %s", wait, a.Status, a.Body)
	}

	trail := strings.Join(n.AuditLines(), "\n")
	for _, want := range []string{`"limit/user_read"`, `"limit/user_write"`, `"cancel_access_request"`} {
		if !strings.Contains(trail, want) {
			t.Errorf("the audit trail lacks %s", want)
		}
	}
	if hits := n.Metric(t, "mcp_edge_limit_hits_total"); hits < 3 {
		t.Errorf("%v hits are counted", hits)
	}
}

func TestADomainsLimitIsSharedAndChangedByReload(t *testing.T) {
	n := start(t, nil)
	member, admin := n.connect(t, "member"), n.connect(t, "admin")
	if a := n.ask(t, member, ping); a.Status != http.StatusOK || a.Header.Get("X-RateLimit-Limit") != "" {
		t.Errorf("without a limit: %d, told is %q", a.Status, a.Header.Get("X-RateLimit-Limit"))
	}
	const line = "domain {$MCP_EDGE_LIMIT_DOMAIN:3000/m}"
	if err := n.Reload(n.Variant(line, "domain 4/h")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, token := range []string{member, admin} {
			if a := n.ask(t, token, ping); a.Status != http.StatusOK || told(t, a, "X-RateLimit-Limit") != 4 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
	}
	for _, token := range []string{member, admin} {
		if wait := tooMany(t, n.ask(t, token, search), "7", "domain"); wait < 14*time.Minute || wait > 15*time.Minute {
			t.Errorf("to wait %v", wait)
		}
	}
	// A reload of something else forgives nobody; one that lifts the limit does.
	if err := n.Reload(n.Variant(line, "domain 4/h", "users everyone", "users group staff it-admins")); err != nil {
		t.Fatal(err)
	}
	tooMany(t, n.ask(t, member, search), "7", "domain")
	if err := n.Reload(n.Caddyfile); err != nil {
		t.Fatal(err)
	}
	if a := n.ask(t, member, search); a.Status != http.StatusOK {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// twoOnOneRedis starts two gateways with a store each, and one person at both:
// who somebody is for the limits is said by the identity provider.
func twoOnOneRedis(t *testing.T, server *limittest.Server, read string) []*node {
	t.Helper()
	shared := []string{"# limiter redis", "limiter redis"}
	t.Setenv("MCP_EDGE_REDIS", server.URL())
	first := start(t, shared, "READ="+read)
	second := start(t, append(shared, "{$MCP_EDGE_IDP:http://localhost:8445}", first.Stack.IdP.Issuer()), "READ="+read)
	nodes := []*node{first, second}
	var callbacks []string
	for _, n := range nodes {
		callbacks = append(callbacks, n.Stack.Issuer+"/callback/"+stack.Domain)
	}
	first.Stack.IdP.SetRedirectURIs(callbacks...)
	for _, n := range nodes {
		n.token = n.connect(t, "member")
	}
	return nodes
}

// counted is what came of requests.
type counted struct{ passed, refused, other atomic.Int64 }

// load has one person ask at a node, as often as the tick says, until stop.
func (n *node) load(t *testing.T, stop <-chan struct{}, c *counted) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		switch answer, err := n.client.MCP(t.Context(), n.token, ping); {
		case err == nil && answer.Status == http.StatusOK:
			c.passed.Add(1)
		case err == nil && answer.Status == http.StatusTooManyRequests:
			c.refused.Add(1)
		default:
			c.other.Add(1)
			t.Errorf("neither served nor told to wait: %d %s %v", answer.Status, answer.Body, err)
		}
	}
}

func TestTwoGatewaysOnOneRedisHoldOneLimit(t *testing.T) {
	const (
		rate, burst = 10, 30 // a second, at once
		seconds     = 8
	)
	nodes := twoOnOneRedis(t, limittest.StartServer(t), fmt.Sprintf("%d/s burst %d", rate, burst))
	var c counted
	var wg sync.WaitGroup
	stop := make(chan struct{})
	began := time.Now()
	for _, n := range nodes {
		wg.Go(func() { n.load(t, stop, &c) })
	}
	<-time.After(seconds * time.Second) // the rate is of real time, in three processes
	close(stop)
	wg.Wait()
	took := time.Since(began).Seconds()

	// A request that the server did not answer in time was counted by its node.
	var alone float64
	for _, n := range nodes {
		alone += n.Metric(t, "mcp_edge_limiter_fallback_requests_total")
	}
	passed, want := float64(c.passed.Load()), burst+rate*took
	t.Logf("%v passed and %d did not in %.1f s, want %.0f; %v were counted by one node alone", passed, c.refused.Load(), took, want, alone)
	if passed > want*1.1+alone || passed < want*0.9 {
		t.Errorf("%v passed, want %.0f within 10 %%", passed, want)
	}
	if c.refused.Load() < 50 {
		t.Errorf("only %d requests were over the limit", c.refused.Load())
	}
}

func TestAnOutageOfRedisFailsNoRequestAndOpensNothing(t *testing.T) {
	for name, outage := range map[string]struct{ begin, end func(*limittest.Server) }{
		"it hangs":     {(*limittest.Server).Freeze, (*limittest.Server).Thaw},
		"it is killed": {(*limittest.Server).Kill, (*limittest.Server).Start},
	} {
		t.Run(name, func(t *testing.T) {
			const rate, burst = 2, 20
			server := limittest.StartServer(t)
			nodes := twoOnOneRedis(t, server, fmt.Sprintf("%d/s burst %d", rate, burst))
			counts := make([]counted, len(nodes))
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for i, n := range nodes {
				wg.Go(func() { n.load(t, stop, &counts[i]) })
			}
			// All that is shared is spent before it breaks.
			until(t, "one is over the limit", func() bool { return counts[0].refused.Load()+counts[1].refused.Load() > 20 })
			alone := func(want float64) func() bool {
				return func() bool {
					return nodes[0].Metric(t, "mcp_edge_limiter_fallback") == want && nodes[1].Metric(t, "mcp_edge_limiter_fallback") == want
				}
			}
			outage.begin(server)
			began := time.Now()
			before := [2]int64{counts[0].passed.Load(), counts[1].passed.Load()}
			until(t, "both nodes say that they are alone", alone(1))
			over := [2]int64{counts[0].refused.Load(), counts[1].refused.Load()}
			until(t, "each holds the limit by itself", func() bool {
				return counts[0].refused.Load() > over[0]+20 && counts[1].refused.Load() > over[1]+20
			})
			took := time.Since(began).Seconds()
			for i := range nodes {
				passed := float64(counts[i].passed.Load() - before[i])
				if most := (burst + rate*took) * 1.1; passed > most || passed < burst/2 {
					t.Errorf("node %d let %v pass alone in %.1f s, want %d to %.0f", i, passed, took, burst/2, most)
				}
			}
			outage.end(server)
			until(t, "both nodes share again", alone(0))
			close(stop)
			wg.Wait()
			for i, n := range nodes {
				if counts[i].other.Load() > 0 {
					t.Errorf("node %d failed %d requests", i, counts[i].other.Load())
				}
				log := n.Log()
				if lost, back := strings.Count(log, "does not answer: this gateway holds the limits"), strings.Count(log, "the shared limiter answers again"); lost == 0 || back != lost || lost > 5 {
					t.Errorf("node %d says %d times that it is alone and %d times that it is not any more", i, lost, back)
				}
				if strings.Contains(log, "escape") {
					t.Errorf("node %d wrote the password", i)
				}
			}
		})
	}
}

func TestAGatewayStartsWithoutItsRedis(t *testing.T) {
	server := limittest.StartServer(t)
	server.Kill()
	t.Setenv("MCP_EDGE_REDIS", server.URL())
	n := start(t, []string{"# limiter redis", "limiter redis"}, "READ=2/h")
	token := n.connect(t, "member")
	for _, want := range []int{200, 200, 429} {
		if a := n.ask(t, token, ping); a.Status != want {
			t.Errorf("%d %s, want %d", a.Status, a.Body, want)
		}
	}
	if alone := n.Metric(t, "mcp_edge_limiter_fallback"); alone != 1 {
		t.Errorf("the metric is %v", alone)
	}
	server.Start()
	until(t, "it is found", func() bool { return n.Metric(t, "mcp_edge_limiter_fallback") == 0 })
}

// until waits for what other processes do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("it does not come to pass: %s", what)
		case <-tick.C:
		}
	}
}
