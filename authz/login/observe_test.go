package login_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/login/flowtest"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestEverySignInIsToldOnceWithItsReason(t *testing.T) {
	g := flowtest.New(t, flowtest.DefaultPolicy())
	begin := func() *flowtest.Browser {
		b := g.Browser(t)
		b.Follow(b.Get(flowtest.Authorization()))
		return b
	}
	begin().Return(flowtest.Domain, flowtest.Ann())
	stranger := flowtest.Ann()
	stranger.EmailVerified = false
	begin().Return(flowtest.Domain, stranger)
	g.Browser(t).Get("/callback/acme.com?code=x&state=y")

	interrupted := begin()
	g.IdPs[flowtest.Domain].Fail(idp.ErrUnavailable)
	interrupted.Return(flowtest.Domain, flowtest.Ann())
	begin() // not even the way there
	g.IdPs[flowtest.Domain].Fail(nil)

	unaudited := begin()
	g.Audit.Fail(errors.New("disk full"))
	unaudited.Return(flowtest.Domain, flowtest.Ann())
	g.Audit.Fail(nil)
	down := begin()
	g.Store.SetDown(true)
	down.Return(flowtest.Domain, flowtest.Ann())

	want := []reason.Reason{
		reason.None, reason.UserEmailUnverified, reason.UserSignInFailed, reason.BackendIDPUnavailable, reason.BackendIDPUnavailable,
		reason.AuditUnavailable, reason.StoreUnavailable,
	}
	if diff := cmp.Diff(want, g.SignIns); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestAnAddressOfNoDomainHereIsToldAsASignIn(t *testing.T) {
	g := flowtest.New(t, flowtest.TwoDomains())
	b := g.Browser(t)
	page := b.Follow(b.Get(flowtest.Authorization()))
	b.Post("/signin", page.Form("email", "a@nowhere.com"))
	b.Post("/signin", page.Form("email", "a@initech.com"))
	if diff := cmp.Diff([]reason.Reason{reason.DomainUnknown, reason.DomainOff}, g.SignIns); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
