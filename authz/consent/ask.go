package consent

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// ask shows the consent page with a new form token; the one of an earlier view
// is worth nothing from then on. A person who approved the same before is not
// asked again.
func (h *Handlers) ask(w http.ResponseWriter, r *http.Request) {
	p, err := h.load(r, r.URL.Query().Get("request"))
	if err != nil {
		h.cannotLoad(w, r, err)
		return
	}
	if h.answerRemembered(w, r, p) {
		return
	}
	token, err := h.renewToken(r.Context(), p.ID)
	if errors.Is(err, store.ErrNotFound) {
		h.answered(w, r, http.StatusNotFound)
		return
	}
	if err != nil {
		h.cfg.Pages.Unavailable(w, r, reason.StoreUnavailable, err, "/consent?request="+p.ID)
		return
	}
	h.cfg.Pages.Consent(w, r, h.view(p, token))
}

func (h *Handlers) renewToken(ctx context.Context, id string) (string, error) {
	var secret [32]byte
	if _, err := io.ReadFull(h.cfg.Rand, secret[:]); err != nil {
		return "", fmt.Errorf("form token: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	err := h.cfg.Store.Update(ctx, func(tx store.Tx) error {
		return tx.SetApprovalCSRF(ctx, id, opaque.HashOf(token))
	})
	return token, err
}

// view says what the page shows.
func (h *Handlers) view(p pending, token string) web.Consent {
	profile, known := h.cfg.ProfileName(p.client.Profile)
	v := web.Consent{
		Request: p.ID, CSRF: token, Assistant: p.client.Name, Profile: profile,
		// A name proves nothing. What identifies a profile is that the answer can
		// only reach its own https address; on a computer any app can listen.
		Verified:    known && strings.HasPrefix(p.RedirectURI, "https://"),
		RedirectURI: p.RedirectURI, Loopback: oauth.IsLoopbackRedirect(p.RedirectURI),
		Account: p.who.User.Email, ResourceURL: p.Resource, ManageURL: h.cfg.ManageURL,
		RememberedFor: h.rememberedFor(p),
	}
	resource, _ := h.cfg.Policy.Resource(p.Resource)
	v.Resource = resource.Name
	held := h.cfg.Policy.RolePermissions(p.who.User.Domain, p.who.User.Groups, p.Resource)
	for _, scope := range resource.Scopes {
		if !slices.Contains(p.Scopes, scope.Name) {
			v.DoesNotAsk = append(v.DoesNotAsk, scope.Title)
			continue
		}
		v.Asks = append(v.Asks, web.ConsentScope{Title: scope.Title, Role: allows(scope, held)})
	}
	return v
}

// allows says how much of a scope the held permissions cover.
func allows(scope policy.Scope, held []string) web.RoleAllows {
	n := 0
	for _, permission := range scope.Permissions {
		if slices.Contains(held, permission) {
			n++
		}
	}
	switch n {
	case 0:
		return web.RoleAllowsNothing
	case len(scope.Permissions):
		return web.RoleAllowsAll
	}
	return web.RoleAllowsPart
}

// cannotLoad answers a GET whose approval is not there for this browser.
func (h *Handlers) cannotLoad(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errGone), errors.Is(err, errForeign):
		h.answered(w, r, http.StatusNotFound)
	default:
		h.cfg.Pages.Unavailable(w, r, reason.StoreUnavailable, err, "")
	}
}

// answered says that there is nothing to answer any more.
func (h *Handlers) answered(w http.ResponseWriter, r *http.Request, status int) {
	h.cfg.Pages.Fault(w, r, web.Fault{
		Status: status, Reason: reason.GrantExpired,
		Title: "Already answered",
		What:  "This question was answered already, took longer than 10 minutes, or belongs to another browser. Nothing was changed.",
		Todo:  "If your assistant is not connected, connect again from there.",
	})
}
