package authorize

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// refusal is an answer that a person sees and the client never does.
type refusal struct {
	page     web.Fault
	clientID string // known ones only: what a stranger made up is not written down
	name     string
}

// target finds the client and the redirect URI of a request. As long as they
// are not known to belong together, whoever sent the request may not choose
// where the browser goes: the answer is a page (OAuth 2.1 §4.1.2.1).
func (h *Handlers) target(ctx context.Context, query oauth.Params) (store.Client, string, *refusal) {
	if name := query.Repeated("client_id", "redirect_uri"); name != "" {
		page := malformed("The parameter " + name + " was given more than once.")
		return store.Client{}, "", &page
	}
	client, page := h.client(ctx, query.Get("client_id"))
	if page != nil {
		return store.Client{}, "", page
	}
	presented := query.Get("redirect_uri")
	redirect, ok := matchRedirect(client, presented)
	if !ok {
		return store.Client{}, "", &refusal{clientID: client.ID, name: client.Name, page: web.Fault{
			Status: http.StatusBadRequest, Reason: reason.ClientBadRedirect,
			Title: "The assistant's address is not registered",
			What:  "The request asks us to send the answer to an address that this assistant has not registered. Nothing was sent there.",
			Todo:  "Connect again from the assistant. If it happens again, its maker or your administrator compares the addresses above.",
			Facts: []web.Fact{
				{Name: "Received", Values: nonEmpty(presented)},
				{Name: "Registered", Values: client.RedirectURIs},
			},
		}}
	}
	return client, redirect, nil
}

// client reads a client by its id.
func (h *Handlers) client(ctx context.Context, id string) (store.Client, *refusal) {
	if id == "" {
		page := malformed("The request does not say which assistant it is from (client_id).")
		return store.Client{}, &page
	}
	if len(id) > oauth.MaxRedirectURI { // no id of ours: not worth a read
		return store.Client{}, unknownClient(id)
	}
	client, err := h.cfg.Store.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Client{}, unknownClient(id)
	}
	if err != nil {
		return store.Client{}, &refusal{page: web.Fault{
			Status: http.StatusServiceUnavailable, Reason: reason.StoreUnavailable, Err: err,
			Title: "We cannot answer right now",
			What:  "The assistant could not be looked up. You were not refused.",
			Todo:  "Connect again from your assistant in a moment.",
		}}
	}
	return client, nil
}

// matchRedirect returns the redirect URI to use. It may be left out when there
// is only one (OAuth 2.1 §4.1.1), unless that is on the person's computer: its
// port is chosen anew for each request and not registered.
func matchRedirect(client store.Client, presented string) (string, bool) {
	if presented == "" {
		if len(client.RedirectURIs) == 1 && !oauth.IsLoopbackRedirect(client.RedirectURIs[0]) {
			return client.RedirectURIs[0], true
		}
		return "", false
	}
	return presented, slices.ContainsFunc(client.RedirectURIs, func(registered string) bool {
		return oauth.MatchRedirectURI(registered, presented)
	})
}

func unknownClient(id string) *refusal {
	return &refusal{page: web.Fault{
		Status: http.StatusBadRequest, Reason: reason.ClientUnknown,
		Title: "This assistant is not registered here",
		What:  "The request names a client that we do not know. Registrations that nobody approved are removed after a day.",
		Todo:  "Remove the connection in your assistant and add it again; it then registers anew.",
		Facts: []web.Fact{{Name: "Received client_id", Values: []string{id}}},
	}}
}

func malformed(what string) refusal {
	return refusal{page: web.Fault{
		Status: http.StatusBadRequest, Reason: reason.ClientBadRequest,
		Title: "The request cannot be read", What: what,
		Todo: "Connect again from your assistant. If it happens again, tell the maker of the assistant.",
	}}
}

// refuseStranger answers with a page and no way to the client. Nobody is signed
// in and anyone can cause it, so that the trail gets a sample.
func (h *Handlers) refuseStranger(w http.ResponseWriter, r *http.Request, no refusal) {
	if no.page.Status < http.StatusInternalServerError {
		h.refusals.Sample(r.Context(), h.event(r.Context(), no.clientID, no.name, no.page.Reason))
	}
	h.cfg.Pages.Fault(w, r, no.page)
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
