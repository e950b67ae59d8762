package audit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

var at = time.Date(2026, 11, 2, 10, 30, 0, 123456789, time.FixedZone("CET", 3600))

func TestRecordHasItsFieldsInFixedOrder(t *testing.T) {
	e := audit.Event{
		Name: audit.ToolInvoked, Time: at, ID: "id", Node: "n1", DomainID: "acme.com", UserID: "u1", UserEmail: "ann@acme.com",
		ClientID: "c1", ClientName: "Claude", GrantID: "g1", Resource: "https://api.example.com/mcp", ToolName: "search_apps",
		Scopes: []string{"a:read", "a:write"}, Permissions: []string{"a.view"}, RequestID: "r1", TargetResourceID: "app-1",
		WriteOutcome: "created", Intent: "find an app", Reason: reason.RoleNoPermission, ErrorCode: "access_denied",
		ClientIP: "192.0.2.1", Duration: 12345678 * time.Nanosecond, Count: 7, Durable: true,
	}
	want := `{"event_name":"tool_invoked","timestamp":"2026-11-02T09:30:00.123456Z","event_id":"id","node":"n1",` +
		`"domain_id":"acme.com","user_id":"u1","user_email":"ann@acme.com","client_id":"c1","client_name":"Claude","grant_id":"g1",` +
		`"resource":"https://api.example.com/mcp","tool_name":"search_apps","scopes":["a:read","a:write"],"permissions":["a.view"],` +
		`"request_id":"r1","target_resource_id":"app-1","write_outcome":"created","telemetry.intent":"find an app",` +
		`"reason":"role/no_permission","error_code":"access_denied","client_ip":"192.0.2.1","duration_ms":12.346,"count":7}`
	if diff := cmp.Diff(want, string(audit.AppendJSON(nil, e))); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyFieldsAreLeftOut(t *testing.T) {
	got := string(audit.AppendJSON(nil, audit.Event{Name: audit.ConfigApplied, Time: at, ID: "id"}))
	want := `{"event_name":"config_applied","timestamp":"2026-11-02T09:30:00.123456Z","event_id":"id"}`
	if got != want {
		t.Errorf("got %s", got)
	}
}

func TestValuesAreBoundedAndSafeToShow(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"a line end becomes a space", "a\nb\r\nc", "a b  c"},
		{"a terminal escape loses its first byte", "\x1b[31mred\x7f\u0085", " [31mred  "},
		{"quotes and backslashes are escaped", `say "hi" \ bye`, `say \"hi\" \\ bye`},
		{"an overriding direction is shown as its code", "abc\u202egpj.exe", `abc\u202egpj.exe`},
		{"an isolate is shown as its code", "\u2066x\u2069", `\u2066x\u2069`},
		{"invisible characters are shown as their code", "a\u200bb\ufeffc\u061cd", `a\u200bb\ufeffc\u061cd`},
		{"line and paragraph separators are shown as their code", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"tag characters are shown as a surrogate pair", "\U000e0041", `\udb40\udc41`},
		{"broken UTF-8 becomes a replacement character", "a\xffb", "a\ufffdb"},
		{"other scripts stay as they are", "Zoë 日本 🎉", "Zoë 日本 🎉"},
		{"a long value is cut", strings.Repeat("x", 5000), strings.Repeat("x", audit.MaxValue-len("…")) + "…"},
		{"a long value is cut between characters", strings.Repeat("é", 5000), strings.Repeat("é", (audit.MaxValue-len("…"))/2) + "…"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			line := string(audit.AppendJSON(nil, audit.Event{Intent: c.in}))
			want := `"telemetry.intent":"` + c.want + `"}`
			if !strings.HasSuffix(line, want) {
				t.Errorf("got  %s\nwant … %s", line, want)
			}
			if !json.Valid([]byte(line)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestLongListSaysHowMuchWasLeftOut(t *testing.T) {
	line := audit.AppendJSON(nil, audit.Event{Scopes: slicesRepeat("s", audit.MaxList+7)})
	var got struct{ Scopes []string }
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Scopes) != audit.MaxList+1 || got.Scopes[audit.MaxList] != "… and 7 more" {
		t.Errorf("%d values, the last %q", len(got.Scopes), got.Scopes[len(got.Scopes)-1])
	}
}

func slicesRepeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// everywhere puts s into every field that holds text.
func everywhere(s string) audit.Event {
	return audit.Event{
		Name: s, Time: at, ID: s, Node: s, DomainID: s, UserID: s, UserEmail: s, ClientID: s, ClientName: s, GrantID: s, Resource: s,
		ToolName: s, Scopes: []string{s}, Permissions: []string{"x", s}, RequestID: s, TargetResourceID: s, WriteOutcome: s, Intent: s,
		Reason: reason.Reason(s), ErrorCode: s, ClientIP: s,
	}
}

const jwt = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"

func TestNoCredentialPassesThroughAnyField(t *testing.T) {
	minter, err := opaque.NewMinter([]opaque.MACKey{{ID: "0a1b2c3d", Key: bytes.Repeat([]byte{7}, 32)}}, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	credentials := map[string]string{"a JSON Web Token": jwt, "the first part of a JSON Web Token": jwt[:30]}
	for _, kind := range []opaque.Kind{opaque.Code, opaque.Access, opaque.Refresh, opaque.ClientSecret, opaque.Registration, opaque.Session} {
		token, _ := minter.Mint(kind, "", 1)
		credentials["a credential "+string(kind)] = token
		credentials["half a credential "+string(kind)] = token[:len(token)/2]
	}
	wrappers := map[string]string{
		"alone": "%", "in an address": "https://a.example/?token=%&x=1", "after a scheme": "Bearer %", "inside a word": "x%y",
		"in a sentence": "I found % in my clipboard", "cut by the bound": strings.Repeat("z", audit.MaxValue-20) + "%",
	}
	for name, secret := range credentials {
		for place, wrapper := range wrappers {
			t.Run(name+" "+place, func(t *testing.T) {
				line := string(audit.AppendJSON(nil, everywhere(strings.ReplaceAll(wrapper, "%", secret))))
				if strings.Contains(line, secret[:10]) || strings.Contains(line, secret[len(secret)-12:]) {
					t.Errorf("passed through: %s", line)
				}
				if n := strings.Count(line, "redacted]"); n == 0 && place != "cut by the bound" {
					t.Errorf("nothing says that something was removed: %s", line)
				}
			})
		}
	}
}

func TestAuthorizationHeaderValuesAreMasked(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("client:a-secret-of-some-length"))
	for _, s := range []string{"Bearer abc", "bearer  abc.def", "Authorization: Bearer abc", "DPoP abc", "Basic " + basic, "BEARER\tabc"} {
		t.Run(s, func(t *testing.T) {
			line := string(audit.AppendJSON(nil, audit.Event{Intent: s}))
			if strings.Contains(line, "abc") || strings.Contains(line, basic) || !strings.Contains(line, "[redacted]") {
				t.Errorf("got %s", line)
			}
		})
	}
}

func TestOrdinaryValuesAreNotMasked(t *testing.T) {
	for _, s := range []string{
		"lmcl_Zm9vYmFyZm9vYmFyZm9vYg", "lmcl_lma_YmFyZm9vYmFyZm9vYg", "wilma_jones@example.com", "lms_admin@example.com",
		"alma_vandenberghe.smith@example.com", "eyJohn.smith@example.com", "appstore.apps.view", "https://api.example.com/mcp/appstore", "Basic plan for teams",
	} {
		t.Run(s, func(t *testing.T) {
			if line := string(audit.AppendJSON(nil, audit.Event{ClientID: s})); !strings.Contains(line, `"`+s+`"`) {
				t.Errorf("got %s", line)
			}
		})
	}
}

func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{"", "a\nb", "\u202e\xff\"\\", jwt, "Bearer x", strings.Repeat("é", 2000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := audit.AppendJSON(nil, everywhere(s))
		if !json.Valid(line) || !utf8.Valid(line) {
			t.Fatalf("not JSON: %q", line)
		}
		if bytes.ContainsAny(line, "\n\r\x1b\u2028\u202e") {
			t.Fatalf("not one plain line: %q", line)
		}
		again := audit.AppendJSON(nil, everywhere(s))
		if !bytes.Equal(line, again) {
			t.Fatal("not deterministic")
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	e := audit.Event{
		Name: audit.ToolInvoked, Time: at, ID: "01900000-0000-7000-8000-000000000000", DomainID: "acme.com", UserID: "5f0c3a2e", UserEmail: "ann@acme.com",
		ClientID: "lmcl_Zm9vYmFyZm9vYmFyZm9vYg", ClientName: "Claude", Resource: "https://api.example.com/mcp/appstore", ToolName: "search_apps",
		Scopes: []string{"appstore:read"}, Permissions: []string{"appstore.apps.view"}, RequestID: "r-1", ClientIP: "192.0.2.1", Duration: time.Millisecond,
	}
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = audit.AppendJSON(buf[:0], e)
	}
}
