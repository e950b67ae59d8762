package appstore_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/tests/appstore"
	"github.com/teamlumos/mcp-edge/tests/idp"
)

func TestFaults(t *testing.T) {
	t.Run("a forced status answers as told and does nothing", func(t *testing.T) {
		b := start(t)
		b.server.Faults().Set(appstore.RouteCreateRequest, appstore.Fault{
			Status: http.StatusTooManyRequests, Body: `{"detail":"slow down"}`, Header: http.Header{"Retry-After": {"7"}},
		})
		before := get[requestPage](b, "/appstore/access_requests").Total
		status, body := b.do(http.MethodPost, "/appstore/access_request", createBody)
		if status != http.StatusTooManyRequests || detail(t, body) != "slow down" {
			t.Errorf("answered %d %s", status, body)
		}
		if got := get[requestPage](b, "/appstore/access_requests").Total; got != before {
			t.Error("a request was made")
		}
	})
	t.Run("a fault for one call is gone after it", func(t *testing.T) {
		b := start(t)
		b.server.Faults().Set(appstore.RouteCurrentUser, appstore.Fault{Status: 500, Times: 1})
		first, _ := b.do(http.MethodGet, "/users/current", "")
		second, _ := b.do(http.MethodGet, "/users/current", "")
		if first != 500 || second != 200 {
			t.Errorf("answered %d, then %d", first, second)
		}
	})
	t.Run("a fault does not spare a call its verification", func(t *testing.T) {
		b := start(t)
		b.server.Faults().Set(appstore.RouteCurrentUser, appstore.Fault{Status: 200, Body: `{}`})
		s := b.prepare(http.MethodGet, "/users/current", "")
		if status, _ := b.send(s.request); status != http.StatusUnauthorized {
			t.Errorf("answered %d", status)
		}
	})
	t.Run("a dropped connection leaves the request made", func(t *testing.T) {
		b := start(t)
		b.server.Faults().Set(appstore.RouteCreateRequest, appstore.Fault{Drop: true, Times: 1})
		before := get[requestPage](b, "/appstore/access_requests").Total
		s := b.prepare(http.MethodPost, "/appstore/access_request", createBody)
		b.sign(s)
		if res, err := b.http.Do(s.request); err == nil {
			_ = res.Body.Close()
			t.Fatalf("answered %s", res.Status)
		}
		if got := get[requestPage](b, "/appstore/access_requests").Total; got != before+1 {
			t.Errorf("%d requests were made", got-before)
		}
		if got := b.server.CountPOST(); got != 1 {
			t.Errorf("%d POSTs arrived", got)
		}
	})
	t.Run("a held answer waits until it is let go, with the request made", func(t *testing.T) {
		arrived := make(chan appstore.Request, 1)
		b := start(t, func(c *appstore.Config) {
			c.OnRequest = func(r appstore.Request) {
				if r.Method == http.MethodPost {
					arrived <- r
				}
			}
		})
		hold := make(chan struct{})
		b.server.Faults().Set(appstore.RouteCreateRequest, appstore.Fault{Hold: hold})
		s := b.prepare(http.MethodPost, "/appstore/access_request", createBody)
		b.sign(s)
		answered := make(chan int, 1)
		go func() {
			status, _ := b.send(s.request)
			answered <- status
		}()
		if r := <-arrived; r.Status != http.StatusCreated {
			t.Errorf("recorded %d", r.Status)
		}
		select {
		case status := <-answered:
			t.Errorf("answered %d before it was let go", status)
		default:
		}
		close(hold)
		if status := <-answered; status != http.StatusCreated {
			t.Errorf("answered %d", status)
		}
	})
	t.Run("down answers 503 to everything until it is cleared", func(t *testing.T) {
		b := start(t)
		b.server.Faults().Down.Store(true)
		if status, _ := b.do(http.MethodGet, "/users/current", ""); status != http.StatusServiceUnavailable {
			t.Errorf("answered %d", status)
		}
		b.server.Faults().Clear()
		if status, _ := b.do(http.MethodGet, "/users/current", ""); status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
	})
	t.Run("closing lets go of a held answer", func(t *testing.T) {
		arrived := make(chan struct{}, 1)
		b := start(t, func(c *appstore.Config) {
			c.OnRequest = func(appstore.Request) { arrived <- struct{}{} }
		})
		b.server.Faults().Set(appstore.RouteCurrentUser, appstore.Fault{Hold: make(chan struct{})})
		s := b.prepare(http.MethodGet, "/users/current", "")
		b.sign(s)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if res, err := b.http.Do(s.request); err == nil {
				_ = res.Body.Close()
			}
		}()
		<-arrived
		if err := b.server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
}

func TestRecord(t *testing.T) {
	b := start(t)
	s := b.prepare(http.MethodPost, "/appstore/access_request", createBody)
	s.request.Header.Set("X-Lumos-User", "somebody")
	s.request.URL.RawQuery = "a=b"
	b.sign(s)
	b.send(s.request)
	got := b.server.Requests()[0]
	if got.Header.Get("Authorization") != "" || got.Header.Get("X-Lumos-User") != "somebody" {
		t.Errorf("header %v", got.Header)
	}
	got.Header, got.Permissions = nil, nil
	want := appstore.Request{
		At: b.clock.Now(), Method: "POST", Path: "/appstore/access_request", Query: "a=b", BodyBytes: len(createBody),
		PersonEmail: "mia@demo.example", DomainID: "demo.example", Subject: appstore.DemoPeople()[0].ID,
		ClientID: "client-1", Actor: "client-1", Scope: "appstore:read appstore:request",
		TransactionID: "txn-1", JTI: s.claims["jti"].(string), Status: http.StatusCreated,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	t.Run("tells calls from questions who a person is", func(t *testing.T) {
		s := b.prepare(http.MethodGet, "/users/current", "")
		b.sign(s)
		b.send(s.request)
		if all, calls := b.server.Requests(), b.server.Calls(); len(all) != 2 || len(calls) != 1 || calls[0].Method != http.MethodPost {
			t.Errorf("requests %+v, calls %+v", all, calls)
		}
	})
	t.Run("names nobody for a token that does not verify", func(t *testing.T) {
		b := start(t)
		s := b.prepare(http.MethodGet, "/users/current", "")
		s.claims["htm"] = "PUT"
		b.sign(s)
		b.send(s.request)
		if got := b.server.Requests()[0]; got.PersonEmail != "" || got.Status != 401 {
			t.Errorf("recorded %+v", got)
		}
	})
	t.Run("keeps the last 10,000 calls", func(t *testing.T) {
		b := start(t)
		const calls = 10_005
		for range calls {
			status, _ := b.send(b.prepare(http.MethodGet, "/nothing", "").request)
			if status != http.StatusNotFound {
				t.Fatalf("answered %d", status)
			}
		}
		if got := len(b.server.Requests()); got != 10_000 {
			t.Errorf("kept %d", got)
		}
	})
}

func TestPeople(t *testing.T) {
	t.Run("are those of the demo's identity provider", func(t *testing.T) {
		users, people := idp.DemoUsers(), appstore.DemoPeople()
		if len(users) != len(people) {
			t.Fatalf("%d users and %d people", len(users), len(people))
		}
		for i := range users {
			given := strings.Fields(users[i].Name)[0]
			if users[i].Email != people[i].Email || given != people[i].GivenName {
				t.Errorf("%s is %s at the backend", users[i].Email, people[i].Email)
			}
			if !strings.HasSuffix(people[i].Email, "@"+people[i].DomainID) {
				t.Errorf("%s is not of %s", people[i].Email, people[i].DomainID)
			}
		}
	})
	t.Run("who are suspended read their state and nothing else", func(t *testing.T) {
		b := start(t)
		b.server.SetStatus("MIA@demo.example", appstore.StatusSuspended)
		me := get[struct {
			Status string `json:"status"`
		}](b, "/users/current")
		if me.Status != "SUSPENDED" {
			t.Errorf("state %s", me.Status)
		}
		if status, _ := b.do(http.MethodGet, "/appstore/apps", ""); status != http.StatusForbidden {
			t.Errorf("answered %d", status)
		}
	})
}

func TestStart(t *testing.T) {
	t.Run("refuses to start without issuer or audience", func(t *testing.T) {
		for _, config := range []appstore.Config{{Issuer: "https://issuer.example"}, {Audience: audience}} {
			if server, err := appstore.Start(t.Context(), config); err == nil {
				_ = server.Close()
				t.Errorf("%+v started", config)
			}
		}
	})
	t.Run("stops when its context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server, err := appstore.Start(ctx, appstore.Config{Issuer: "https://issuer.example", Audience: audience})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		client := &http.Client{Timeout: 5 * time.Second}
		if res, err := client.Get(server.URL() + "/info"); err == nil {
			_ = res.Body.Close()
			t.Error("it still answers")
		}
	})
}
