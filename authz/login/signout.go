package login

import (
	"errors"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// SignOut answers /signout: GET asks, POST ends the browser session with its
// pending approvals. What was approved before stays connected.
func (h *Handlers) SignOut(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		if h.cfg.Pages.Allows(w, r, http.MethodGet, http.MethodPost) {
			h.askSignOut(w, r)
		}
		return
	}
	// This form has no token: pages of refusals show it too. The Lax cookie does
	// not come with another site's POST, and Form refuses what a browser marks as
	// foreign; a POST that no browser marked is refused here.
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		h.cfg.Pages.ForeignForm(w, r)
		return
	}
	if _, ok := h.cfg.Pages.Form(w, r); !ok {
		return
	}
	if err := h.cfg.Sessions.End(w, r); err != nil {
		h.cfg.Pages.Unavailable(w, r, reason.StoreUnavailable, err, "/signout")
		return
	}
	h.cfg.Pages.SignedOut(w, r)
}

func (h *Handlers) askSignOut(w http.ResponseWriter, r *http.Request) {
	who, err := h.cfg.Sessions.Current(r)
	if err != nil && !errors.Is(err, session.ErrNone) {
		h.cfg.Pages.Unavailable(w, r, reason.StoreUnavailable, err, "/signout")
		return
	}
	h.cfg.Pages.SignOut(w, r, who.User.Email)
}
