package httpx_test

import (
	"net/http"
	"testing"

	"github.com/teamlumos/mcp-edge/internal/httpx"
)

func TestStripIdentityDeletesWhatCouldSpeakForAPerson(t *testing.T) {
	for _, name := range []string{
		"X-Lumos-User", "x_lumos_user", "X.Lumos.User", "X-Forwarded-For", "X-Forwarded-Email", "Forwarded", "Remote-User", "Remote_User",
		"REMOTE.USER", "Cf-Access-Jwt-Assertion", "X-Gateway-User", "x_gateway_user", "Signature-Input", "Content-Digest", "DPoP", "Txn-Token", "Any_Thing", "X-Request-ID",
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{name: {"v"}}, Trailer: http.Header{name: {"v"}}}
			httpx.StripIdentity(r)
			if len(r.Header) != 0 || len(r.Trailer) != 0 {
				t.Fatalf("left: header %v, trailer %v", r.Header, r.Trailer)
			}
		})
	}
}

func TestStripIdentityKeepsWhatTheServersReadThemselves(t *testing.T) {
	for _, name := range []string{"Authorization", "Cookie", "Content-Type", "Accept", "Origin", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Sec-Fetch-Site", "Traceparent"} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{name: {"v"}}}
			httpx.StripIdentity(r)
			if r.Header.Get(name) != "v" {
				t.Fatal("was deleted")
			}
		})
	}
}

func TestConnectionCannotSwitchOffAHeaderThatIsChecked(t *testing.T) {
	for _, name := range []string{"Authorization", "Origin", "Cookie", "Content-Type", "Content-Encoding", "Sec-Fetch-Site", "Mcp-Name", "Mcp-Method", "Mcp-Protocol-Version"} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{"Connection": {"close, " + name}, name: {"v"}}}
			httpx.StripIdentity(r)
			if r.Header.Get(name) != "v" {
				t.Error("was deleted")
			}
		})
	}
}

func TestStripNamedDeletesEverySpellingAndNothingElse(t *testing.T) {
	names := map[string]bool{"x-user-email": true}
	r := &http.Request{Header: http.Header{}, Trailer: http.Header{}}
	for _, name := range []string{"X-User-Email", "x-user-email", "X_User_Email", "X-USER_EMAIL", "x.user.email", "X User Email", "X-User_email"} {
		r.Header[name], r.Trailer[name] = []string{"a", "b"}, []string{"c"}
	}
	r.Header["Connection"] = []string{"keep-alive, x-user-email", "X_User_Email,Upgrade"}
	r.Header["X-User-Emails"], r.Header["Authorization"] = []string{"kept"}, []string{"kept"}
	httpx.StripNamed(r, names)
	want := http.Header{"Connection": {"keep-alive, Upgrade"}, "X-User-Emails": {"kept"}, "Authorization": {"kept"}}
	if len(r.Trailer) != 0 || len(r.Header) != len(want) || r.Header.Get("Connection") != "keep-alive, Upgrade" || r.Header.Get("X-User-Emails") != "kept" {
		t.Errorf("left: %v, trailer %v", r.Header, r.Trailer)
	}
	r.Header["Connection"] = []string{"x-user-email"}
	if httpx.StripNamed(r, names); r.Header["Connection"] != nil {
		t.Errorf("Connection %v", r.Header["Connection"])
	}
}
