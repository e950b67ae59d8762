package consent_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestEveryAnswerIsToldOnceWithItsReason(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	answer := func(decision string, before ...func()) {
		b := g.Browser(t)
		page := b.SignIn(flowtest.Authorization(), flowtest.Ann())
		for _, f := range before {
			f()
		}
		form := page.Form("decision", decision)
		b.Post("/consent", form)
		if len(before) == 0 {
			b.Post("/consent", form) // too late: no answer any more
		}
	}
	answer("approve")
	answer("deny")
	answer("switch") // the same question to somebody else: no answer
	answer("approve", func() { g.Audit.Fail(errors.New("disk full")) })
	g.Audit.Fail(nil)
	answer("approve", func() { g.Store.SetDown(true) })
	g.Store.SetDown(false)
	answer("approve", func() {
		cfg := flowtest.DefaultPolicy()
		cfg.Domains[0].Clients = nil
		g.SetPolicy(t, cfg)
	})
	want := []reason.Reason{reason.None, reason.UserDenied, reason.AuditUnavailable, reason.StoreUnavailable, reason.ClientNotAllowed}
	if diff := cmp.Diff(want, g.Consents); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
