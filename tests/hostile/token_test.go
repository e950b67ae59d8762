package hostile_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/tests/assistant"
)

// TestCodeRedemption is about POST /token with an authorization code.
func TestCodeRedemption(t *testing.T) {
	// The shortest lifetime that the Caddyfile takes, for the case that waits for
	// its end.
	start(t, "code 60s", "code 10s").run(t,
		part{"malformed requests are refused in JSON [G3 G4 G8 T1 T4 M1 M5 M10 H1 E18 E19 E20 E36]", malformedTokenRequests},
		part{"a client proves who it is, once [T8 M1 M2 K40 K42 E26 E27 E28]", clientAuthentication},
		part{"a code is bound to all that it was issued for [A12 T4 T5 T6 T7 M3 M7 H12 K42 E21 E25]", boundCodes},
		part{"a code works once [T3 H12 E22]", codeOnce},
		part{"of parallel redemptions one succeeds [T2 H12 E23]", codeRace},
		part{"a wrong verifier costs the code at the fifth time only [T9 E21]", wrongVerifiers},
		part{"a code ends with its lifetime [A12 H12 E24]", codeLifetime},
	)
}

// redemption are the parameters of a good redemption, changed by pairs; the
// value "-" leaves a parameter out.
func redemption(a *assistant.Assistant, p assistant.Approval, changes ...string) string {
	v := url.Values{
		"grant_type": {"authorization_code"}, "code": {p.Code}, "code_verifier": {p.Verifier},
		"redirect_uri": {a.Redirect}, "client_id": {a.ClientID}, "resource": {a.Resource},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if v.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			v.Del(changes[i])
		}
	}
	return v.Encode()
}

func (w *world) post(t testing.TB, path, body string, header ...string) assistant.Answer {
	t.Helper()
	return w.send(t, http.MethodPost, w.issuer+path, body, append([]string{"Content-Type", formType}, header...)...)
}

func malformedTokenRequests(t *testing.T, w *world) {
	a := w.register(t)
	p := w.approve(t, a)
	good := redemption(a, p)
	for _, c := range []struct {
		name, method, path, contentType, body string
		status                                int
		code                                  string
	}{
		{"GET", "GET", "/token", "", "", 405, "invalid_request"},
		{"GET with everything in the query", "GET", "/token?" + good, "", "", 405, "invalid_request"},
		{"PUT", "PUT", "/token", formType, good, 405, "invalid_request"},
		{"a JSON body", "POST", "/token", jsonType, `{"grant_type":"authorization_code","code":"` + p.Code + `"}`, 400, "invalid_request"},
		{"no content type", "POST", "/token", "", good, 400, "invalid_request"},
		{"a multipart form", "POST", "/token", "multipart/form-data; boundary=x", "--x--", 400, "invalid_request"},
		{"everything in the query (OAuth 2.1 §3.2.2)", "POST", "/token?" + good, formType, "", 401, "invalid_client"},
		{"the code in the query", "POST", "/token?code=" + p.Code, formType, redemption(a, p, "code", "-"), 400, "invalid_request"},
		{"two codes", "POST", "/token", formType, good + "&code=" + p.Code, 400, "invalid_request"},
		{"two verifiers", "POST", "/token", formType, good + "&code_verifier=x", 400, "invalid_request"},
		{"two grant types", "POST", "/token", formType, good + "&grant_type=refresh_token", 400, "invalid_request"},
		{"two resources", "POST", "/token", formType, good + "&resource=x", 400, "invalid_request"},
		{"a body of 1 MiB", "POST", "/token", formType, good + "&x=" + strings.Repeat("y", 1<<20), 413, "invalid_request"},
		{"1,000 parameters", "POST", "/token", formType, good + strings.Repeat("&x=y", 1000), 400, "invalid_request"},
		{"a broken percent sign", "POST", "/token", formType, good + "&x=%zz", 400, "invalid_request"},
		{"a semicolon between parameters", "POST", "/token", formType, strings.ReplaceAll(good, "&", ";"), 400, "invalid_request"},
		{"an empty code", "POST", "/token", formType, redemption(a, p, "code", ""), 400, "invalid_request"},
		{"an empty grant type", "POST", "/token", formType, redemption(a, p, "grant_type", ""), 400, "invalid_request"},
		{"the grant type password", "POST", "/token", formType, redemption(a, p, "grant_type", "password"), 400, "unsupported_grant_type"},
		{"the grant type client_credentials", "POST", "/token", formType, redemption(a, p, "grant_type", "client_credentials"), 400, "unsupported_grant_type"},
		{"a grant type with markup", "POST", "/token", formType, redemption(a, p, "grant_type", `"><b>\`), 400, "unsupported_grant_type"},
		{"no verifier (CVE-2025-4144)", "POST", "/token", formType, redemption(a, p, "code_verifier", "-"), 400, "invalid_request"},
		{"a verifier of 42 characters", "POST", "/token", formType, redemption(a, p, "code_verifier", strings.Repeat("v", 42)), 400, "invalid_request"},
		{"a verifier of 129 characters", "POST", "/token", formType, redemption(a, p, "code_verifier", strings.Repeat("v", 129)), 400, "invalid_request"},
		{"a verifier with a space", "POST", "/token", formType, redemption(a, p, "code_verifier", strings.Repeat("v", 43)+" "), 400, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := []string{}
			if c.contentType != "" {
				header = []string{"Content-Type", c.contentType}
			}
			answer := w.send(t, c.method, w.issuer+c.path, c.body, header...)
			refused(t, answer, c.status, c.code)
			if c.status == 405 && answer.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
	if answer := w.post(t, "/token", good); answer.Status != http.StatusOK {
		t.Errorf("bad requests cost the code: %d %s", answer.Status, answer.Body)
	}
}

// clientAuthentication is RFC 6749 §2.3 and §5.2.
func clientAuthentication(t *testing.T, w *world) {
	const redirect = "http://localhost:6274/oauth/callback"
	secretive, registered := w.registerAs(t, redirect, `{"client_name":"MCP Inspector","redirect_uris":["`+redirect+`"],"token_endpoint_auth_method":"client_secret_basic"}`)
	if registered.Secret == "" || registered.SecretEnds == nil {
		t.Fatalf("no secret: %+v", registered)
	}
	open := w.register(t)
	p, q := w.approve(t, secretive), w.approve(t, open)
	basic := func(id, secret string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))}
	}
	for _, c := range []struct {
		name   string
		body   string
		header []string
		status int
		code   string
	}{
		{"an unknown client", redemption(open, q, "client_id", "lmcl_unknown"), nil, 401, "invalid_client"},
		{"no client", redemption(open, q, "client_id", "-"), nil, 401, "invalid_client"},
		{"a wrong secret by Basic", redemption(secretive, p, "client_id", "-"), basic(secretive.ClientID, "lms_wrong"), 401, "invalid_client"},
		{"an empty secret by Basic", redemption(secretive, p, "client_id", "-"), basic(secretive.ClientID, ""), 401, "invalid_client"},
		{"an unknown client by Basic", redemption(secretive, p, "client_id", "-"), basic("nobody", "x"), 401, "invalid_client"},
		{"a Basic header that is no base64", redemption(secretive, p, "client_id", "-"), []string{"Authorization", "Basic @@@"}, 401, "invalid_client"},
		{"an access token in place of a secret", redemption(secretive, p), []string{"Authorization", "Bearer x"}, 400, "invalid_request"},
		{"no secret where one is due", redemption(secretive, p), nil, 401, "invalid_client"},
		{"the secret by another method than registered", redemption(secretive, p, "client_secret", registered.Secret), nil, 401, "invalid_client"},
		{"a secret of a client that has none", redemption(open, q, "client_secret", registered.Secret), nil, 401, "invalid_client"},
		{"two methods at once", redemption(secretive, p, "client_secret", registered.Secret), basic(secretive.ClientID, registered.Secret), 400, "invalid_request"},
		{"two Authorization headers", redemption(secretive, p), append(basic(secretive.ClientID, registered.Secret), basic(secretive.ClientID, "x")...), 400, "invalid_request"},
		{"a body that names another client than the header", redemption(secretive, p, "client_id", open.ClientID), basic(secretive.ClientID, registered.Secret), 400, "invalid_request"},
		{"an assertion that nobody signed", redemption(open, q, "client_assertion", "eyJhbGciOiJub25lIn0.e30.", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), nil, 401, "invalid_client"},
		{"another client's code, well authenticated", redemption(secretive, q, "client_id", "-"), basic(secretive.ClientID, registered.Secret), 400, "invalid_grant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := w.post(t, "/token", c.body, c.header...)
			refused(t, answer, c.status, c.code)
			basicUsed := len(c.header) > 0 && strings.HasPrefix(c.header[1], "Basic")
			if challenged := answer.Header.Get("WWW-Authenticate") != ""; c.status == 401 && challenged != basicUsed {
				t.Errorf("WWW-Authenticate: %q", answer.Header.Get("WWW-Authenticate"))
			}
		})
	}
	if answer := w.post(t, "/token", redemption(secretive, p, "client_id", "-"), basic(secretive.ClientID, registered.Secret)...); answer.Status != http.StatusOK {
		t.Errorf("the right secret: %d %s", answer.Status, answer.Body)
	}
	if answer := w.post(t, "/token", redemption(open, q)); answer.Status != http.StatusOK {
		t.Errorf("the open client: %d %s", answer.Status, answer.Body)
	}
}

// boundCodes is OAuth 2.1 §4.1.3: client, redirect URI, verifier and resource.
// All answers about a code that is not good are the same bytes.
func boundCodes(t *testing.T, w *world) {
	a, other := w.register(t), w.register(t)
	p := w.approve(t, a)
	tokens := w.connect(t, a, "member", readScope)
	var bodies []string
	for _, c := range []struct {
		name, body, code string
	}{
		{"another client", redemption(a, p, "client_id", other.ClientID), "invalid_grant"},
		{"another redirect URI", redemption(a, p, "redirect_uri", "http://localhost:1/oauth/callback"), "invalid_grant"},
		{"another verifier", redemption(a, p, "code_verifier", strings.Repeat("v", 43)), "invalid_grant"},
		{"a made-up code", redemption(a, p, "code", "lmc_x.y"), "invalid_grant"},
		{"a code of another kind", redemption(a, p, "code", tokens.RefreshToken), "invalid_grant"},
		{"a code with its last letter changed", redemption(a, p, "code", flip(p.Code)), "invalid_grant"},
		{"a code of 10,000 bytes", redemption(a, p, "code", strings.Repeat("c", 10_000)), "invalid_grant"},
		{"another resource", redemption(a, p, "resource", w.resource+"/x"), "invalid_target"},
		{"a resource that is no URL", redemption(a, p, "resource", "::"), "invalid_target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := w.post(t, "/token", c.body)
			refused(t, answer, http.StatusBadRequest, c.code)
			if c.code == "invalid_grant" {
				bodies = append(bodies, string(answer.Body))
			}
		})
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("two answers tell unlike codes apart: %s and %s", bodies[0], body)
		}
	}
	if answer := w.post(t, "/token", redemption(a, p)); answer.Status != http.StatusOK {
		t.Errorf("the code is gone: %d %s", answer.Status, answer.Body)
	}
}

// flip changes the last letter of a token.
func flip(token string) string {
	last := byte('A')
	if token[len(token)-1] == last {
		last = 'B'
	}
	return token[:len(token)-1] + string(last)
}

// codeOnce is OAuth 2.1 §7.5.2: a second valid redemption ends what the first
// one gave; one that is not valid, or a forged code, harms nobody.
func codeOnce(t *testing.T, w *world) {
	a, other := w.register(t), w.register(t)
	p := w.approve(t, a)
	tokens := must(t, func() (assistant.Answer, error) { return a.Redeem(t.Context(), p) }).Tokens()
	for name, body := range map[string]string{
		"by another client":       redemption(a, p, "client_id", other.ClientID),
		"with another verifier":   redemption(a, p, "code_verifier", strings.Repeat("v", 43)),
		"with another redirect":   redemption(a, p, "redirect_uri", "http://localhost:1/oauth/callback"),
		"with a forged last part": redemption(a, p, "code", flip(p.Code)),
	} {
		refused(t, w.post(t, "/token", body), http.StatusBadRequest, "invalid_grant")
		w.alive(t, "the access token after a redemption "+name, tokens.AccessToken)
	}
	refused(t, w.post(t, "/token", redemption(a, p)), http.StatusBadRequest, "invalid_grant")
	w.dead(t, "the access token after a valid replay", tokens.AccessToken)
	refused(t, must(t, func() (assistant.Answer, error) { return a.Refresh(t.Context(), tokens.RefreshToken) }), http.StatusBadRequest, "invalid_grant")
}

func codeRace(t *testing.T, w *world) {
	a := w.register(t)
	for range 5 {
		p := w.approve(t, a)
		won := 0
		for _, answer := range parallel(t, 20, func(int) assistant.Answer { return w.post(t, "/token", redemption(a, p)) }) {
			if answer.Status == http.StatusOK {
				won++
				continue
			}
			refused(t, answer, http.StatusBadRequest, "invalid_grant")
		}
		if won != 1 {
			t.Errorf("%d redemptions succeeded", won)
		}
	}
}

func wrongVerifiers(t *testing.T, w *world) {
	a := w.register(t)
	for _, c := range []struct {
		wrong int
		then  int
	}{{4, http.StatusOK}, {5, http.StatusBadRequest}} {
		p := w.approve(t, a)
		for range c.wrong {
			refused(t, w.post(t, "/token", redemption(a, p, "code_verifier", strings.Repeat("v", 43))), http.StatusBadRequest, "invalid_grant")
		}
		if answer := w.post(t, "/token", redemption(a, p)); answer.Status != c.then {
			t.Errorf("after %d wrong verifiers: %d %s", c.wrong, answer.Status, answer.Body)
		}
	}
}

// codeLifetime presents one code after the other, all of one age, since each can
// be presented once only.
func codeLifetime(t *testing.T, w *world) {
	const lifetime = 10 * time.Second
	a := w.register(t)
	codes := make([]assistant.Approval, 40)
	begin := time.Now()
	for i := range codes {
		codes[i] = w.approve(t, a)
	}
	issued := time.Now()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for i, p := range codes {
		presented := time.Now()
		answer := w.post(t, "/token", redemption(a, p))
		switch {
		case answer.Status == http.StatusOK && presented.Sub(issued) <= lifetime:
		case answer.Error() == "invalid_grant" && time.Since(begin) >= lifetime:
			t.Logf("code %d was refused after %v", i, presented.Sub(begin))
			return
		default:
			t.Fatalf("code %d, %v old: %d %s", i, presented.Sub(begin), answer.Status, answer.Body)
		}
		<-tick.C
	}
	t.Error("no code came to its end")
}
