package tenants_test

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

const formType = "application/x-www-form-urlencoded"

// objects are everything of a customer that has a name or a value of its own.
func (c *customer) objects() map[string]string {
	_, session, _ := strings.Cut(c.through.cookies(), "__Host-mcp_edge_session=")
	session, _, _ = strings.Cut(session, ";")
	grant := strings.TrimPrefix(c.tokens.AccessToken[strings.IndexByte(c.tokens.AccessToken, '.')+1:], ".")
	return map[string]string{
		"client":              c.ClientID,
		"client secret":       c.registration.Secret,
		"registration token":  c.registration.Token,
		"authorization code":  c.code.Code,
		"access token":        c.tokens.AccessToken,
		"refresh token":       c.tokens.RefreshToken,
		"grant":               grant[:22], // its id stands at the front of its tokens
		"pending approval":    c.choices0().Get("request"),
		"form token":          c.choices0().Get("csrf"),
		"browser session":     session,
		"transaction":         c.signing.param("/signin", "tx"),
		"upstream state":      c.signing.param("/authorize?", "state"),
		"access request":      c.request,
		"code verifier":       c.code.Verifier,
		"consented user name": miaOf(c.domain).Email,
	}
}

// choices0 are the hidden fields of the consent page.
func (c *customer) choices0() url.Values {
	for _, f := range c.page.Forms {
		if f.Buttons["approve"] != "" {
			return f.Fields
		}
	}
	return url.Values{}
}

// door is a place where an object can be presented, with all other credentials
// those of who presents it.
type door struct {
	name    string
	present func(t *testing.T, w *world, by *customer, object string) assistant.Answer
	// own are the objects that are themselves the credential that the door asks
	// for: who has stolen one is not another customer but its owner. A client's id
	// is public and no customer's: every domain that allows its profile may use it.
	own []string
}

func post(path string, fields ...string) func(*testing.T, *world, *customer, string) assistant.Answer {
	return func(t *testing.T, w *world, by *customer, object string) assistant.Answer {
		t.Helper()
		form := url.Values{"client_id": {by.ClientID}, "client_secret": {by.registration.Secret}}
		for i := 0; i+1 < len(fields); i += 2 {
			form.Set(fields[i], strings.ReplaceAll(fields[i+1], "OBJECT", object))
		}
		return w.send(t, http.MethodPost, w.issuer+path, form.Encode(), "Content-Type", formType)
	}
}

// browse opens a page with the cookies of a browser that waits for its consent.
func browse(path string) func(*testing.T, *world, *customer, string) assistant.Answer {
	return func(t *testing.T, w *world, by *customer, object string) assistant.Answer {
		t.Helper()
		return w.send(t, http.MethodGet, w.issuer+strings.ReplaceAll(path, "OBJECT", url.QueryEscape(object)), "", "Cookie", by.through.cookies()+"; "+by.signing.cookies())
	}
}

// answerPage posts a form as the browser that waits for its consent.
func answerPage(path string, fields ...string) func(*testing.T, *world, *customer, string) assistant.Answer {
	return func(t *testing.T, w *world, by *customer, object string) assistant.Answer {
		t.Helper()
		form := url.Values{}
		for i := 0; i+1 < len(fields); i += 2 {
			value := strings.ReplaceAll(fields[i+1], "OBJECT", object)
			value = strings.ReplaceAll(value, "OWN-CSRF", by.choices0().Get("csrf"))
			form.Set(fields[i], strings.ReplaceAll(value, "OWN-REQUEST", by.choices0().Get("request")))
		}
		return w.send(t, http.MethodPost, w.issuer+path, form.Encode(), "Content-Type", formType,
			"Cookie", by.through.cookies()+"; "+by.signing.cookies(), "Origin", w.issuer, "Sec-Fetch-Site", "same-origin")
	}
}

// manage is a request about a registration (RFC 7592).
func manage(method, id, token string) func(*testing.T, *world, *customer, string) assistant.Answer {
	return func(t *testing.T, w *world, by *customer, object string) assistant.Answer {
		t.Helper()
		fill := strings.NewReplacer("OBJECT", object, "OWN-ID", by.ClientID, "OWN-TOKEN", by.registration.Token)
		body, header := "", []string{"Authorization", "Bearer " + fill.Replace(token)}
		if method == http.MethodPut {
			body = fmt.Sprintf(`{"client_id":%q,"redirect_uris":["http://localhost:6274/oauth/callback"]}`, fill.Replace(id))
			header = append(header, "Content-Type", "application/json")
		}
		return w.send(t, method, w.issuer+"/register/"+url.PathEscape(fill.Replace(id)), body, header...)
	}
}

// call is a message to the MCP endpoint.
func call(token, tool, arguments string, header ...string) func(*testing.T, *world, *customer, string) assistant.Answer {
	return func(t *testing.T, w *world, by *customer, object string) assistant.Answer {
		t.Helper()
		fill := strings.NewReplacer("OBJECT", object, "OWN", by.tokens.AccessToken)
		all := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Authorization", "Bearer " + fill.Replace(token)}
		for _, h := range header {
			all = append(all, fill.Replace(h))
		}
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, fill.Replace(arguments))
		return w.send(t, http.MethodPost, w.Stack.Resource, body, all...)
	}
}

var doors = []door{
	{"token: a code", post("/token", "grant_type", "authorization_code", "code", "OBJECT", "code_verifier", strings.Repeat("v", 43), "redirect_uri", "http://localhost:6274/oauth/callback"), nil},
	{"token: a refresh token", post("/token", "grant_type", "refresh_token", "refresh_token", "OBJECT"), nil},
	{"token: a client secret", post("/token", "grant_type", "refresh_token", "refresh_token", "x", "client_secret", "OBJECT"), nil},
	{"token: a resource", post("/token", "grant_type", "refresh_token", "refresh_token", "x", "resource", "https://OBJECT"), nil},
	// A client that presents a token of another is told so (RFC 7009 §2.1), and
	// nothing about whose it is: revokedByOthers looks at that.
	{"revoke", post("/revoke", "token", "OBJECT"), []string{"access token", "refresh token"}},
	{"revoke, said to be a refresh token", post("/revoke", "token", "OBJECT", "token_type_hint", "refresh_token"), []string{"access token", "refresh token"}},
	{"introspect", post("/introspect", "token", "OBJECT"), nil},
	{"registration: its address", manage(http.MethodGet, "OBJECT", "OWN-TOKEN"), nil},
	{"registration: its token", manage(http.MethodGet, "OWN-ID", "OBJECT"), nil},
	{"registration: its end", manage(http.MethodDelete, "OBJECT", "OWN-TOKEN"), nil},
	{"registration: its change", manage(http.MethodPut, "OBJECT", "OWN-TOKEN"), nil},
	{"authorize: a client", browse("/authorize?response_type=code&client_id=OBJECT"), []string{"client"}},
	{"signin: a transaction", browse("/signin?tx=OBJECT"), nil},
	{"signin: a transaction that goes on", answerPage("/signin", "tx", "OBJECT", "email", "mia@"+elsewhere), nil},
	{"callback of the other customer", browse("/callback/" + home + "?code=x&state=OBJECT"), nil},
	{"callback of the own customer", browse("/callback/" + elsewhere + "?code=x&state=OBJECT"), nil},
	{"callback: a domain", browse("/callback/OBJECT?code=x&state=x"), nil},
	{"consent: the page", browse("/consent?request=OBJECT"), nil},
	{"consent: an approval", answerPage("/consent", "request", "OBJECT", "csrf", "OWN-CSRF", "decision", "approve"), nil},
	{"consent: a denial", answerPage("/consent", "request", "OBJECT", "csrf", "OWN-CSRF", "decision", "deny"), nil},
	{"mcp: a token", call("OBJECT", "search_apps", `{}`), []string{"access token"}},
	{"mcp: a session", call("OWN", "search_apps", `{"page_size":1}`, "Mcp-Session-Id", "OBJECT"), nil},
	{"mcp: an access request", call("OWN", "get_access_request", `{"request_id":"OBJECT"}`), nil},
	{"mcp: the end of an access request", call("OWN", "cancel_access_request", `{"request_id":"OBJECT"}`), nil},
	{"mcp: an app", call("OWN", "get_app", `{"app_id":"OBJECT"}`), nil},
}

// madeUp is text of the same shape that nobody was given: what has a letter or a
// digit has another one, always the same for the same object. Prefixes stay.
func madeUp(object string) string {
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(object))
	state := seed.Sum64()
	next := func(n byte) byte {
		state = state*6364136223846793005 + 1442695040888963407
		return byte(state>>33) % n
	}
	from := strings.IndexByte(object, '.') + 1
	if from > 12 { // no prefix of a kind of token
		from = 0
	}
	if local, domain, ok := strings.Cut(object, "@"); ok {
		return "x" + local[1:] + "@" + domain
	}
	out := []byte(object)
	hex := regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(object)
	for i := from; i < len(out); i++ {
		switch c := out[i]; {
		case hex && c != '-':
			out[i] = "0123456789abcdef"[next(16)]
		case c >= '0' && c <= '9':
			out[i] = '0' + next(10)
		case c >= 'a' && c <= 'z':
			out[i] = 'a' + next(22) // within base 32 too
		case c >= 'A' && c <= 'Z':
			out[i] = 'A' + next(26)
		}
	}
	return string(out)
}

// volatile is what differs between two answers to the same request.
var volatile = []*regexp.Regexp{
	regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
}

// comparable is an answer without what differs from one to the next: its number,
// its date, and the object itself where it is repeated.
func comparable(a assistant.Answer, object string) string {
	var b strings.Builder
	fmt.Fprintln(&b, a.Status)
	var names []string
	for name := range a.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch name {
		case "Date", "X-Request-Id", "Set-Cookie", "Content-Length":
		default:
			fmt.Fprintln(&b, name, a.Header[name])
		}
	}
	b.Write(a.Body)
	text := b.String()
	if object != "" {
		for _, spelt := range []string{object, url.QueryEscape(object), url.PathEscape(object), base64.StdEncoding.EncodeToString([]byte(object))} {
			text = strings.ReplaceAll(text, spelt, "OBJECT")
		}
	}
	if id := a.Header.Get("X-Request-Id"); id != "" {
		text = strings.ReplaceAll(text, id, "NUMBER")
	}
	for _, each := range volatile {
		text = each.ReplaceAllString(text, "NUMBER")
	}
	return text
}

// TestWhatIsNotYoursIsNotThere presents every object of one customer at every
// door with the credentials of the other, and compares the answer with that for an
// object that nobody has: it must be the same, byte for byte.
func TestWhatIsNotYoursIsNotThere(t *testing.T) {
	w := start(t)
	victim, other := w.customer(t, home), w.customer(t, elsewhere)
	objects := victim.objects()
	cells, differences := 0, 0
	for _, d := range doors {
		for name, object := range objects {
			if slices.Contains(d.own, name) {
				continue
			}
			if object == "" || madeUp(object) == object {
				t.Fatalf("%s is %q", name, object)
			}
			cells++
			absent := comparable(d.present(t, w, other, madeUp(object)), madeUp(object))
			foreign := comparable(d.present(t, w, other, object), object)
			if absent != foreign {
				differences++
				t.Errorf("%s at %s:\nof somebody else: %s\nof nobody:        %s", name, d.name, foreign, absent)
			}
		}
	}
	revokedByOthers(t, w, victim, other)
	t.Logf("%d objects at %d doors, %d cells, %d differences", len(objects), len(doors), cells, differences)
	for _, c := range []*customer{victim, other} {
		c.stillHasEverything(t, w)
	}
}

// revokedByOthers wants one answer about tokens of any other client, of the same
// customer or not: that they are of another client.
func revokedByOthers(t *testing.T, w *world, victim, other *customer) {
	t.Helper()
	neighbour := w.customer(t, victim.domain)
	answers := map[string]bool{}
	for _, token := range []string{victim.tokens.AccessToken, victim.tokens.RefreshToken} {
		for _, by := range []*customer{neighbour, other} {
			answers[comparable(post("/revoke", "token", "OBJECT")(t, w, by, token), token)] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("a token of another client is answered in %d ways: %v", len(answers), answers)
	}
	for answer := range answers {
		if !strings.HasPrefix(answer, "400\n") || strings.Contains(answer, victim.domain) || strings.Contains(answer, victim.ClientID) {
			t.Errorf("it is answered by %s", answer)
		}
	}
}

// stillHasEverything uses each object as its owner.
func (c *customer) stillHasEverything(t *testing.T, w *world) {
	t.Helper()
	if r := must[assistant.CallResult](t)(c.Call(t.Context(), c.tokens.AccessToken, "get_access_request", `{"request_id":"`+c.request+`"}`)); r.Status != http.StatusOK || r.Result.IsError {
		t.Errorf("%s: its access request: %d %s", c.domain, r.Status, r.Body)
	}
	for what, get := range map[string]func() (assistant.Answer, error){
		"refresh token": func() (assistant.Answer, error) { return c.Refresh(t.Context(), c.tokens.RefreshToken) },
		"code":          func() (assistant.Answer, error) { return c.Redeem(t.Context(), c.code) },
	} {
		if answer, err := get(); err != nil || answer.Status != http.StatusOK {
			t.Errorf("%s: its %s: %d %s %v", c.domain, what, answer.Status, answer.Body, err)
		}
	}
	if answer := manage(http.MethodGet, "OWN-ID", "OWN-TOKEN")(t, w, c, ""); answer.Status != http.StatusOK {
		t.Errorf("%s: its registration: %d %s", c.domain, answer.Status, answer.Body)
	}
	page, err := c.browser.Submit(t.Context(), c.choices(t), url.Values{"decision": {"approve"}})
	if err != nil || page == nil || !strings.Contains(page.Next, "code=") {
		t.Errorf("%s: its pending approval: %+v %v", c.domain, page, err)
	}
}
