package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
	"github.com/teamlumos/mcp-edge/tests/stack"
)

// TestTheAccessLogHoldsNoCredential turns on the access logs in the way that
// the Caddyfile offers.
func TestTheAccessLogHoldsNoCredential(t *testing.T) {
	root := gateway.Root() + "/Caddyfile"
	logged := gateway.Variant(t, root, "\tmcp_auth\n", "\tmcp_auth\n\timport access_log\n", "\tmcp_bridge /mcp/appstore {", "\timport access_log\n\tmcp_bridge /mcp/appstore {")
	g := gateway.Start(t, stack.Options{}, logged)
	a := register(t, g)
	approval := must[assistant.Approval](t)(a.Approve(t.Context(), newRobot(g.Stack, "member"), ""))
	tokens := must[assistant.Answer](t)(a.Redeem(t.Context(), approval)).Tokens()
	inQuery := *a
	inQuery.Resource += "?access_token=" + tokens.AccessToken
	if r := must[assistant.CallResult](t)(inQuery.Call(t.Context(), tokens.AccessToken, "search_apps", `{}`)); r.Status != http.StatusOK {
		t.Fatalf("the call answered %d %s", r.Status, r.Body)
	}
	log := g.Log()
	if !strings.Contains(log, "/callback/") || !strings.Contains(log, "http.log.access") {
		t.Fatal("there is no access log")
	}
	for name, secret := range map[string]string{"our code": approval.Code, "the access token": tokens.AccessToken, "the refresh token": tokens.RefreshToken} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log", name)
		}
	}
	for line := range strings.SplitSeq(log, "\n") {
		if strings.Contains(line, "/callback/") && strings.Contains(line, "code=") && !strings.Contains(line, "code=REDACTED") {
			t.Errorf("the identity provider's code is in the log: %s", line)
		}
	}
}
