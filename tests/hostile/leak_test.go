package hostile_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestNoSecretIsWrittenAnywhere walks through everything that issues a secret,
// then looks for each one, in each usual encoding, in the log (at its most
// talkative), the audit trail, every file of the data folder, and all that
// another person was answered.
func TestNoSecretIsWrittenAnywhere(t *testing.T) {
	w := start(t)
	// By a reload, since Caddy's event app has a data race of its own where it
	// obtains its first certificates at this level (caddyevents.App.Emit reads
	// caddytls.TLS as a value while that starts).
	if err := w.Reload(w.Variant("level {$MCP_EDGE_LOG_LEVEL:INFO}", "level DEBUG")); err != nil {
		t.Fatal(err)
	}
	secrets := w.walkWhole(t)
	if len(secrets) < 15 {
		t.Fatalf("only %d secrets were seen: %v", len(secrets), slices.Sorted(maps.Keys(secrets)))
	}
	t.Logf("looking for %d secrets: %v", len(secrets), slices.Sorted(maps.Keys(secrets)))

	// Another person does the same; nothing of the first one's may come to her.
	other := &tap{inner: w.Stack.Transport()}
	a := w.register(t)
	a.HTTP = &http.Client{Transport: other}
	tokens := must(t, func() (assistant.Tokens, error) {
		return a.Connect(t.Context(), w.personBy("admin", other), bothScopes)
	})
	for _, secret := range secrets { // presented by somebody whose it is not
		_, _ = a.Refresh(t.Context(), secret)
		_, _ = a.Revoke(t.Context(), secret)
		_, _ = a.MCP(t.Context(), secret, searchApps)
		_, _ = a.Redeem(t.Context(), assistant.Approval{Code: secret, Verifier: strings.Repeat("v", 43)})
	}
	_, _ = a.Call(t.Context(), tokens.AccessToken, "list_access_requests", `{}`)

	places := map[string][]byte{}
	for _, x := range other.seen {
		if x.url.Host != host(w.issuer) && x.url.Host != host(w.resource) {
			continue // the stand-in for the provider shows passwords on purpose
		}
		places["the answer to "+x.url.Path] = append(places["the answer to "+x.url.Path], fmt.Sprint(x.response, x.body)...)
	}
	w.Stop() // closes the database, so that its files are whole
	if !strings.Contains(w.Log(), `"level":"debug"`) {
		t.Error("the log is not at its most talkative")
	}
	places["the log"] = []byte(w.Log())
	err := filepath.WalkDir(w.Stack.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		places[strings.TrimPrefix(path, w.Stack.Data)] = content
		return err
	})
	if err != nil || len(places["/audit.jsonl"]) == 0 || len(places["/edge.db"]) == 0 || len(places["the log"]) == 0 {
		t.Fatalf("%v; places: %v", err, slices.Sorted(maps.Keys(places)))
	}
	for place, content := range places {
		for name, secret := range secrets {
			for encoding, form := range encodings(secret) {
				if at := bytes.Index(content, form); at >= 0 {
					t.Errorf("%s holds %s, %s: …%q…", place, name, encoding, content[max(0, at-80):at])
				}
			}
		}
	}
	// Assertions to the backend are made for each call and seen by nobody else.
	for _, place := range []string{"the log", "/audit.jsonl", "/edge.db"} {
		if found := jwt.Find(places[place]); found != nil {
			t.Errorf("%s holds a JWT: %.40s…", place, found)
		}
	}
}

var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}`)

// encodings are the forms in which a secret could be written down. Base64 is
// looked for in its three alignments, without the ends that neighbours change.
func encodings(secret string) map[string][]byte {
	forms := map[string][]byte{
		"plain": []byte(secret), "as hex": []byte(hex.EncodeToString([]byte(secret))), "as upper-case hex": []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))),
		"URL-encoded": []byte(url.QueryEscape(secret)),
	}
	for shift := range 3 {
		for name, encoding := range map[string]*base64.Encoding{"standard": base64.RawStdEncoding, "URL": base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
			forms[fmt.Sprintf("as %s base64, shifted by %d", name, shift)] = []byte(text[4 : len(text)-4])
		}
	}
	return forms
}

// walkWhole has the member do all that there is, and returns every secret that
// was issued or typed on the way.
func (w *world) walkWhole(t *testing.T) map[string]string {
	t.Helper()
	through := &tap{inner: w.Stack.Transport()}
	browser := w.personBy("member", through)
	secrets := map[string]string{"the password": w.Stack.User("member").Password}
	keep := func(name, secret string) {
		if len(secret) >= 10 {
			secrets[name] = secret
		}
	}
	for _, method := range []string{"none", "client_secret_post", "client_secret_basic"} {
		a, r := w.registerAs(t, inspectorRedirect, fmt.Sprintf(`{"client_name":"MCP Inspector","redirect_uris":[%q],"token_endpoint_auth_method":%q}`, inspectorRedirect, method))
		keep("the secret of "+method, r.Secret)
		authenticate := []string{}
		credentials := []string{"client_secret", "-"}
		switch method {
		case "client_secret_post":
			credentials = []string{"client_secret", r.Secret}
		case "client_secret_basic":
			credentials = []string{"client_id", "-"}
			authenticate = []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(a.ClientID+":"+r.Secret))}
		}
		approval := must(t, func() (assistant.Approval, error) { return a.Approve(t.Context(), browser, bothScopes) })
		keep("a code of "+method, approval.Code)
		keep("a verifier of "+method, approval.Verifier)
		// Refused first, so that what is refused is seen not to be written either.
		refused(t, w.post(t, "/token", redemption(a, approval, append(credentials, "code_verifier", strings.Repeat("v", 43))...), authenticate...), http.StatusBadRequest, "invalid_grant")
		first := w.post(t, "/token", redemption(a, approval, credentials...), authenticate...).Tokens()
		keep("an access token of "+method, first.AccessToken)
		keep("a refresh token of "+method, first.RefreshToken)
		if method != "none" {
			continue
		}
		second := w.refresh(t, a, first.RefreshToken).Tokens()
		keep("the second access token", second.AccessToken)
		keep("the second refresh token", second.RefreshToken)
		for _, tool := range []string{"search_apps", "list_access_requests"} {
			if _, err := a.Call(t.Context(), second.AccessToken, tool, `{}`); err != nil {
				t.Error(err)
			}
		}
		// Secrets where they do not belong.
		notOurFault(t,
			w.send(t, http.MethodPost, w.resource+"?access_token="+second.AccessToken, searchApps, "Content-Type", jsonType),
			w.send(t, http.MethodGet, w.issuer+"/authorize?client_id="+a.ClientID+"&redirect_uri=x&state="+second.AccessToken, ""),
			w.send(t, http.MethodGet, w.issuer+"/token?refresh_token="+second.RefreshToken, ""),
		)
		if _, err := a.Call(t.Context(), second.AccessToken, "search_apps", fmt.Sprintf(`{"telemetry":{"intent":%q}}`, "use "+second.AccessToken+" and "+second.RefreshToken)); err != nil {
			t.Error(err)
		}
		notOurFault(t, w.post(t, "/token", redemption(a, approval)), w.revoke(t, a, second.RefreshToken)) // a replay, and the end
	}
	w.harvest(t, through, keep)
	if _, err := browser.Get(t.Context(), w.issuer+"/signout"); err != nil {
		t.Error(err)
	}
	return secrets
}

// harvest takes the secrets of a browser's walk: cookies, form tokens, and what
// was exchanged with the identity provider.
func (w *world) harvest(t *testing.T, through *tap, keep func(name, secret string)) {
	t.Helper()
	for i, x := range through.seen {
		if x.url.Host == host(w.issuer) {
			for _, line := range x.response["Set-Cookie"] {
				c := must(t, func() (*http.Cookie, error) { return http.ParseSetCookie(line) })
				keep(fmt.Sprintf("the cookie %s of step %d", c.Name, i), c.Value)
			}
			if sent, err := url.ParseQuery(x.sent); err == nil {
				keep(fmt.Sprintf("a form token of step %d", i), sent.Get("csrf"))
			}
		}
		if strings.HasPrefix(x.url.Path, "/callback/") {
			keep(fmt.Sprintf("the provider's code of step %d", i), x.url.Query().Get("code"))
			keep(fmt.Sprintf("our state at the provider of step %d", i), x.url.Query().Get("state"))
		}
		if nonce := x.url.Query().Get("nonce"); nonce != "" {
			keep(fmt.Sprintf("our nonce at the provider of step %d", i), nonce)
		}
	}
}
