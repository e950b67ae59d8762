package tenants_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/idp"
	"github.com/teamlumos/mcp-edge/tests/robot"
)

// search calls a tool and returns the status.
func (c *customer) search(t *testing.T) int {
	t.Helper()
	return must[assistant.CallResult](t)(c.Call(t.Context(), c.tokens.AccessToken, "search_apps", `{"page_size":1}`)).Status
}

// TestNamesakesOfTwoCustomersAreTwoPeople has two Mias: the same name before the
// @, the same subject at their providers, the same assistant.
func TestNamesakesOfTwoCustomersAreTwoPeople(t *testing.T) {
	w := start(t)
	here, there := w.customer(t, home), w.customer(t, elsewhere)
	for _, c := range []*customer{here, there} {
		before := len(w.Stack.Backend.Requests())
		if status := c.search(t); status != http.StatusOK {
			t.Fatalf("%s: %d", c.domain, status)
		}
		for _, r := range w.Stack.Backend.Requests()[before:] {
			if r.PersonEmail != miaOf(c.domain).Email {
				t.Errorf("a call of %s ran as %s", c.domain, r.PersonEmail)
			}
		}
	}
	ours, theirs := requestsOf(t, here), requestsOf(t, there)
	if len(ours) == 0 || len(theirs) == 0 || slices.ContainsFunc(ours, func(id string) bool { return slices.Contains(theirs, id) }) {
		t.Errorf("access requests: %q and %q", ours, theirs)
	}

	t.Run("the end of one is not the end of the other", func(t *testing.T) {
		if answer, err := here.Revoke(t.Context(), here.tokens.RefreshToken); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("%d %v", answer.Status, err)
		}
		if status := here.search(t); status != http.StatusUnauthorized {
			t.Errorf("what was revoked: %d", status)
		}
		if status := there.search(t); status != http.StatusOK {
			t.Errorf("the other: %d", status)
		}
	})
	t.Run("turning one customer off leaves the other on", func(t *testing.T) {
		here.tokens = must[assistant.Tokens](t)(here.Connect(t.Context(), robot.New(w.Stack.Transport(), miaOf(home)), both))
		if err := w.Reload(w.Variant("\t\t\tenabled\n", "\n")); err != nil {
			t.Fatal(err)
		}
		if status := here.search(t); status != http.StatusUnauthorized {
			t.Errorf("the customer that is off: %d", status)
		}
		if status := there.search(t); status != http.StatusOK {
			t.Errorf("the other: %d", status)
		}
		if err := w.Reload(w.Caddyfile); err != nil {
			t.Fatal(err)
		}
		if status := here.search(t); status != http.StatusOK {
			t.Errorf("the customer that is on again: %d", status)
		}
	})
}

// TestOnePersonMayBelongToTwoCustomers is a consultant with an account at each, in
// one browser.
func TestOnePersonMayBelongToTwoCustomers(t *testing.T) {
	w := start(t)
	here, there := w.customer(t, home), w.customer(t, elsewhere)
	browser := robot.New(w.Stack.Transport(), miaOf(home))
	connect := func(c *customer) assistant.Tokens {
		t.Helper()
		browser.Person = miaOf(c.domain)
		address, verifier := c.AuthorizationURL(both, map[string][]string{"login_hint": {browser.Person.Email}, "prompt": {"login"}})
		callback, err := browser.Authorize(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Redeem(t.Context(), assistant.Approval{Code: callback.Query().Get("code"), Verifier: verifier})
		if err != nil || answer.Status != http.StatusOK {
			t.Fatalf("%d %s %v", answer.Status, answer.Body, err)
		}
		return answer.Tokens()
	}
	here.tokens, there.tokens = connect(here), connect(there)
	for _, c := range []*customer{here, there} {
		before := len(w.Stack.Backend.Requests())
		if status := c.search(t); status != http.StatusOK {
			t.Fatalf("%s: %d", c.domain, status)
		}
		if last := w.Stack.Backend.Requests()[before:]; len(last) == 0 || last[0].PersonEmail != miaOf(c.domain).Email {
			t.Errorf("at %s: %+v", c.domain, last)
		}
	}
}

// TestAProviderSpeaksForItsOwnCustomerOnly is the provider of one customer that
// asserts people of the other: by address, and by address and subject.
func TestAProviderSpeaksForItsOwnCustomerOnly(t *testing.T) {
	w := start(t)
	victim := w.customer(t, home)
	for name, lie := range map[string]idp.User{
		"the address of somebody else's Mia":           {Subject: "evil", Email: "mia@" + home},
		"her address and her subject":                  {Subject: "demo-mia", Email: "mia@" + home},
		"her address in capitals":                      {Subject: "evil", Email: "MIA@DEMO.EXAMPLE"},
		"an address with both domains":                 {Subject: "evil", Email: "mia@" + home + "@" + elsewhere},
		"an address below the domain":                  {Subject: "evil", Email: "mia@" + home + "." + elsewhere},
		"an address above the domain":                  {Subject: "evil", Email: "mia@example"},
		"an address that ends like the domain":         {Subject: "evil", Email: "mia@not-" + elsewhere},
		"her address with a hidden character after it": {Subject: "evil", Email: "mia@" + home + "\u200b"},
	} {
		t.Run(name, func(t *testing.T) {
			lie.Password, lie.EmailVerified, lie.Groups = "member-demo", true, []string{"staff", "it-admins"}
			w.other.SetUser(lie)
			var last *robot.Page
			browser := robot.New(w.Stack.Transport(), miaOf(elsewhere))
			browser.OnPage = func(p *robot.Page) {
				// At the gateway one of the own customer, at the provider the other.
				if last = p; "https://"+p.URL.Host != w.issuer {
					browser.Person.Email = lie.Email
				}
			}
			address, _ := victim.AuthorizationURL(both, nil)
			callback, err := browser.Authorize(t.Context(), address)
			if err == nil || last == nil || last.Status != http.StatusForbidden || !strings.Contains(last.Body, "user/email_wrong_domain") {
				t.Fatalf("it led to %v, %v, %+v", callback, err, last)
			}
		})
	}
	if status := victim.search(t); status != http.StatusOK {
		t.Errorf("the victim's token: %d", status)
	}
	signedIn := 0
	for _, line := range w.AuditLines() {
		var event struct {
			Domain string `json:"domain_id"`
			Email  string `json:"user_email"`
		}
		if !strings.Contains(line, `"sign_in_ok"`) {
			continue
		}
		if signedIn++; json.Unmarshal([]byte(line), &event) != nil || event.Domain == "" || !strings.HasSuffix(event.Email, "@"+event.Domain) {
			t.Errorf("signed in across customers: %s", line)
		}
	}
	if signedIn == 0 {
		t.Error("the trail tells of no sign-in at all")
	}

	t.Run("with the subject of somebody else it makes another person", func(t *testing.T) {
		w.other.SetUser(idp.User{Subject: "demo-mia", Email: "mia@" + elsewhere, Password: "member-demo", EmailVerified: true, Groups: []string{"staff"}})
		own := w.customer(t, elsewhere)
		before := len(w.Stack.Backend.Requests())
		if status := own.search(t); status != http.StatusOK {
			t.Fatal(status)
		}
		for _, r := range w.Stack.Backend.Requests()[before:] {
			if r.PersonEmail != "mia@"+elsewhere {
				t.Errorf("it ran as %s", r.PersonEmail)
			}
		}
	})
}
