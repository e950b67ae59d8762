package login_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
)

func TestThePageSaysWhoEndedTheSignIn(t *testing.T) {
	tests := []struct {
		name   string
		code   string // error that the provider's redirect names
		fail   error  // of the provider's checks
		title  string
		says   []string
		reason string
	}{
		{
			"a person who cancels is told so", "access_denied", nil, "The sign-in was cancelled",
			[]string{"You cancelled the sign-in at the identity provider of acme.com", "Refused by: you, or your company's identity provider"}, "user/denied",
		},
		{
			"an answer with a wrong issuer is the provider's", "", fmt.Errorf("%w: iss names another issuer", idp.ErrInvalid), "You are not signed in",
			[]string{"identity provider of acme.com could not be trusted", "Refused by: your company's identity provider"}, "backend/idp_bad_answer",
		},
		{
			"a cancel with a wrong issuer is not believed", "access_denied", idp.ErrInvalid, "You are not signed in",
			[]string{"could not be trusted", "Refused by: your company's identity provider"}, "backend/idp_bad_answer",
		},
		{
			"a cancel that the checks of the provider did not reach is not believed", "access_denied", errors.New("odd"), "You are not signed in",
			[]string{"did not let you in"}, "user/sign_in_failed",
		},
		{
			"another error is no cancel", "login_required", nil, "You are not signed in",
			[]string{"did not let you in", "Refused by: the sign-in"}, "user/sign_in_failed",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t, flowtest.DefaultPolicy())
			b := g.Browser(t)
			b.Follow(b.Get(flowtest.Authorization()))
			provider := g.IdPs[flowtest.Domain]
			query := url.Values{"state": {provider.Last().State}}
			if tt.code != "" {
				query.Set("error", tt.code)
			}
			provider.Fail(tt.fail)
			p := b.Get("/callback/" + flowtest.Domain + "?" + query.Encode())
			if p.Status != http.StatusForbidden || p.Title() != tt.title || p.Reason() != tt.reason {
				t.Errorf("got %d %q %q, want 403 %q %q", p.Status, p.Title(), p.Reason(), tt.title, tt.reason)
			}
			for _, part := range tt.says {
				if !strings.Contains(p.Text(), part) {
					t.Errorf("the page does not say %q: %s", part, p.Text())
				}
			}
			if strings.Contains(p.Text(), "your account (") || b.Cookies[sessionCookie] != "" {
				t.Errorf("the account is blamed, or there is a session: %s", p.Text())
			}
			if e := g.Audit.Named(audit.SignInFailed); len(e) != 1 || string(e[0].Reason) != tt.reason {
				t.Errorf("audit events %+v", e)
			}
		})
	}
}
