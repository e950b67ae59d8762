package client_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

const (
	public = "lmcl_public"
	post   = "lmcl_post"
	basic  = "lmcl_basic"
	odd    = "lmcl_odd +:%é" // an id that needs form-encoding
	broken = "lmcl_broken"   // confidential without a hash: must never pass
)

func authenticator(t testing.TB) (*client.Authenticator, *clients, string) {
	t.Helper()
	minter, err := opaque.NewMinter([]opaque.MACKey{{ID: "k1", Key: bytes.Repeat([]byte{1}, 32)}}, rand.NewChaCha8([32]byte{3}))
	if err != nil {
		t.Fatal(err)
	}
	secret, hash := minter.Mint(opaque.ClientSecret, "", 0)
	rows := map[string]store.Client{}
	for id, method := range map[string]string{public: client.AuthNone, post: client.AuthPost, basic: client.AuthBasic, odd: client.AuthBasic, broken: client.AuthPost} {
		c := store.Client{ID: id, AuthMethod: method}
		if method != client.AuthNone && id != broken {
			c.SecretHash = hash
		}
		rows[id] = c
	}
	s := newClients()
	s.rows = rows
	a, err := client.NewAuthenticator(client.AuthenticatorConfig{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	return a, s, secret
}

func tokenRequest(t testing.TB, form url.Values, authorization ...string) (*http.Request, oauth.Params) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	p, e := oauth.ParseForm(httptest.NewRecorder(), r, 64<<10)
	if e != nil {
		t.Fatal(e)
	}
	return r, p
}

func encode(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestClientProvesItselfByTheMethodThatItRegistered(t *testing.T) {
	a, _, secret := authenticator(t)
	body := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	wrong := secret[:len(secret)-1] + "A"
	if wrong == secret {
		wrong = secret[:len(secret)-1] + "B"
	}
	cases := []struct {
		name   string
		form   url.Values
		header []string
		want   string // id of the client, or the error code
		status int
		why    reason.Reason
	}{
		{"a public client by its id", body("client_id", public), nil, public, 0, ""},
		{"a secret in the body", body("client_id", post, "client_secret", secret), nil, post, 0, ""},
		{"a secret in the header", nil, []string{encode(basic, secret)}, basic, 0, ""},
		{"the scheme in another case", nil, []string{"bAsIc" + encode(basic, secret)[5:]}, basic, 0, ""},
		{"the id repeated in the body", body("client_id", basic), []string{encode(basic, secret)}, basic, 0, ""},
		{"an id and secret that are form-encoded", nil, []string{encode(url.QueryEscape(odd), url.QueryEscape(secret))}, odd, 0, ""},
		{"an empty secret counts as none", body("client_id", public, "client_secret", ""), nil, public, 0, ""},

		{"no client at all", nil, nil, "invalid_client", 401, reason.ClientUnknown},
		{"an empty id", body("client_id", ""), nil, "invalid_client", 401, reason.ClientUnknown},
		{"an unknown client", body("client_id", "lmcl_unknown"), nil, "invalid_client", 401, reason.ClientUnknown},
		{"an unknown client in the header", nil, []string{encode("lmcl_unknown", secret)}, "invalid_client", 401, reason.ClientUnknown},
		{"an id of many bytes", body("client_id", strings.Repeat("x", 4096)), nil, "invalid_client", 401, reason.ClientUnknown},
		{"a wrong secret in the body", body("client_id", post, "client_secret", wrong), nil, "invalid_client", 401, reason.ClientBadSecret},
		{"a wrong secret in the header", nil, []string{encode(basic, wrong)}, "invalid_client", 401, reason.ClientBadSecret},
		{"no secret in the header", nil, []string{encode(basic, "")}, "invalid_client", 401, reason.ClientBadSecret},
		{"a missing secret", body("client_id", post), nil, "invalid_client", 401, reason.ClientBadSecret},
		{"a missing secret of a client that registered the header", body("client_id", basic), nil, "invalid_client", 401, reason.ClientBadSecret},
		{"the right secret in the body instead of the header", body("client_id", basic, "client_secret", secret), nil, "invalid_client", 401, reason.ClientBadSecret},
		{"the right secret in the header instead of the body", nil, []string{encode(post, secret)}, "invalid_client", 401, reason.ClientBadSecret},
		{"a secret of a client that has none", body("client_id", public, "client_secret", secret), nil, "invalid_client", 401, reason.ClientBadSecret},
		{"a record without hash", body("client_id", broken, "client_secret", secret), nil, "invalid_client", 401, reason.ClientBadSecret},
		{"a header that is not base64", nil, []string{"Basic !!"}, "invalid_client", 401, reason.ClientBadSecret},
		{"a header without colon", nil, []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("x"))}, "invalid_client", 401, reason.ClientBadSecret},
		{"a header with a broken escape", nil, []string{encode("%zz", secret)}, "invalid_client", 401, reason.ClientBadSecret},
		{"a header without id", nil, []string{encode("", secret)}, "invalid_client", 401, reason.ClientBadSecret},
		{"a client assertion", body("client_id", public, "client_assertion", "x", "client_assertion_type", "y"), nil, "invalid_client", 401, reason.ClientBadSecret},

		{"header and secret", body("client_id", basic, "client_secret", secret), []string{encode(basic, secret)}, "invalid_request", 400, reason.ClientBadRequest},
		{"header and assertion", body("client_assertion", "x"), []string{encode(basic, secret)}, "invalid_request", 400, reason.ClientBadRequest},
		{"secret and assertion", body("client_id", post, "client_secret", secret, "client_assertion_type", "x"), nil, "invalid_request", 400, reason.ClientBadRequest},
		{"an access token beside the id of a public client", body("client_id", public), []string{"Bearer x"}, "invalid_request", 400, reason.ClientBadRequest},
		{"an access token beside the id of a confidential client", body("client_id", basic), []string{"bearer x"}, "invalid_request", 400, reason.ClientBadRequest},
		{"an access token beside a secret", body("client_id", post, "client_secret", secret), []string{"Bearer x"}, "invalid_request", 400, reason.ClientBadRequest},
		{"an access token alone", nil, []string{"Bearer x"}, "invalid_request", 400, reason.ClientBadRequest},
		{"a scheme that only begins like Basic", nil, []string{"Basics " + encode(basic, secret)[6:]}, "invalid_request", 400, reason.ClientBadRequest},
		{"an empty header", body("client_id", public), []string{""}, "invalid_request", 400, reason.ClientBadRequest},
		{"two headers", nil, []string{encode(basic, secret), encode(basic, secret)}, "invalid_request", 400, reason.ClientBadRequest},
		{"another id in the body", body("client_id", post), []string{encode(basic, secret)}, "invalid_request", 400, reason.ClientBadRequest},
		{"two ids", body("client_id", public, "client_id", public), nil, "invalid_request", 400, reason.ClientBadRequest},
		{"two secrets", body("client_id", post, "client_secret", secret, "client_secret", secret), nil, "invalid_request", 400, reason.ClientBadRequest},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, p := tokenRequest(t, c.form, c.header...)
			got, e := a.Authenticate(t.Context(), r, p)
			if c.status == 0 {
				if e != nil || got.ID != c.want {
					t.Fatalf("client %q, error %v", got.ID, e)
				}
				return
			}
			if e == nil {
				t.Fatalf("authenticated as %q", got.ID)
			}
			if string(e.Code) != c.want || e.Status != c.status || e.Reason != c.why {
				t.Errorf("%d %s %s, want %d %s %s", e.Status, e.Code, e.Reason, c.status, c.want, c.why)
			}
			if strings.Contains(e.Error(), secret) || got.ID != "" {
				t.Errorf("an error with a secret or a client: %v, %q", e, got.ID)
			}
		})
	}
}

func TestAnotherSchemeIsAnsweredWithTheWaysThatThereAre(t *testing.T) {
	a, _, _ := authenticator(t)
	r, p := tokenRequest(t, url.Values{"client_id": {public}}, "Bearer x")
	_, e := a.Authenticate(t.Context(), r, p)
	if want := "use HTTP Basic, client_secret in the body, or no client authentication"; e == nil || e.Description != want {
		t.Errorf("got %v, want %q", e, want)
	}
}

func TestCredentialsInTheQueryAreNotSeen(t *testing.T) {
	a, _, secret := authenticator(t)
	r, p := tokenRequest(t, url.Values{})
	r.URL.RawQuery = url.Values{"client_id": {post}, "client_secret": {secret}}.Encode()
	if _, e := a.Authenticate(t.Context(), r, p); e == nil || e.Code != oauth.InvalidClient {
		t.Errorf("error %v", e)
	}
}

func TestFaultOfTheStoreIsNoUnknownClient(t *testing.T) {
	a, s, _ := authenticator(t)
	s.err = fmt.Errorf("%w: %w", store.ErrUnavailable, errors.New("disk on fire"))
	r, p := tokenRequest(t, url.Values{"client_id": {public}})
	_, e := a.Authenticate(t.Context(), r, p)
	if e == nil || e.Code != oauth.TemporarilyUnavailable || e.Status != 503 || e.RetryAfter == 0 || !errors.Is(e, store.ErrUnavailable) {
		t.Fatalf("error %v", e)
	}
	s.err = nil
	if _, e := a.Authenticate(t.Context(), r, p); e != nil {
		t.Errorf("the fault was remembered: %v", e)
	}
}

func TestAChangeOfAClientCountsAtItsNextRequest(t *testing.T) {
	a, s, secret := authenticator(t)
	authenticate := func(id string, more ...string) *oauth.Error {
		form := url.Values{"client_id": {id}}
		if len(more) > 0 {
			form.Set("client_secret", more[0])
		}
		r, p := tokenRequest(t, form)
		_, e := a.Authenticate(t.Context(), r, p)
		return e
	}
	if e := authenticate(public); e != nil {
		t.Fatal(e)
	}
	changed := s.rows[post]
	changed.ID = public
	s.rows[public] = changed
	if e := authenticate(public); e == nil || e.Code != oauth.InvalidClient {
		t.Errorf("a client that is confidential by now passed without its secret: %v", e)
	}
	if e := authenticate(public, secret); e != nil {
		t.Errorf("with its secret: %v", e)
	}
	delete(s.rows, public)
	if e := authenticate(public, secret); e == nil || e.Code != oauth.InvalidClient {
		t.Errorf("a client that is gone passed: %v", e)
	}
}

func FuzzBasic(f *testing.F) {
	a, s, secret := authenticator(f)
	for _, v := range []string{encode(basic, secret), encode(basic, ""), "Basic", "Basic =", "basic " + encode("%zz", "x")[6:], "Bearer x", encode(odd, secret), "Basic\t" + encode(basic, secret)[6:]} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r, p := tokenRequest(t, url.Values{})
		r.Header["Authorization"] = []string{header}
		c, e := a.Authenticate(t.Context(), r, p)
		if e == nil {
			if row, ok := s.rows[c.ID]; !ok || row.AuthMethod != client.AuthBasic {
				t.Fatalf("authenticated as %q", c.ID)
			}
			raw, err := base64.StdEncoding.DecodeString(header[6:])
			if err != nil || !strings.Contains(string(raw), secret[:8]) {
				t.Fatalf("authenticated with %q", raw)
			}
			return
		}
		// Only what claims to be Basic is a failed authentication (RFC 6749 §5.2).
		want, code := 400, oauth.InvalidRequest
		if scheme, _, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Basic") {
			want, code = 401, oauth.InvalidClient
		}
		if e.Code != code || e.Status != want {
			t.Fatalf("%d %s, want %d %s", e.Status, e.Code, want, code)
		}
	})
}
