package client

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// managePrefix begins the path of the client configuration endpoint.
const managePrefix = "/register/"

// Manage answers the client configuration endpoint (RFC 7592 §2): GET reads, PUT
// replaces and DELETE ends the registration of whoever has its registration
// access token.
func (h *Registration) Manage(w http.ResponseWriter, r *http.Request) {
	oauth.AllowAnyOrigin(w.Header())
	if !allows(w, r, http.MethodGet, http.MethodPut, http.MethodDelete) {
		return
	}
	answer, e := h.manage(w, r)
	switch {
	case e != nil:
		if e.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", challengeFor(e))
		}
		oauth.WriteError(w, e)
	case answer == nil:
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	default:
		oauth.WriteJSON(w, http.StatusOK, answer)
	}
}

// challengeFor is the challenge of RFC 6750 §3: without an error where nothing
// was presented.
func challengeFor(e *oauth.Error) string {
	if e.Code != oauth.InvalidToken {
		return `Bearer realm="registration"`
	}
	return `Bearer realm="registration", error="invalid_token"`
}

func (h *Registration) manage(w http.ResponseWriter, r *http.Request) (*information, *oauth.Error) {
	ctx := r.Context()
	if e := h.takeRequest(ctx); e != nil {
		return nil, h.refuse(ctx, "", e)
	}
	c, e := h.owner(ctx, r)
	if e != nil {
		return nil, h.refuse(ctx, "", e)
	}
	switch r.Method {
	case http.MethodPut:
		return h.replace(w, r, c)
	case http.MethodDelete:
		return nil, h.remove(ctx, c)
	}
	return h.inform(c), nil
}

// owner authenticates whoever manages a client. A token that belongs to no
// client, or to another, answers the same, so that no id can be tried out
// (RFC 7592 §2.1).
func (h *Registration) owner(ctx context.Context, r *http.Request) (store.Client, *oauth.Error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return store.Client{}, unauthorized(oauth.InvalidRequest, "send the registration access token as bearer token")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	id := strings.TrimPrefix(r.URL.Path, managePrefix)
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || len(id) > opaque.MaxLength || len(token) > opaque.MaxLength {
		return store.Client{}, badToken()
	}
	c, err := h.clients.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Client{}, badToken()
	}
	if err != nil {
		return store.Client{}, h.unavailable(ctx, err)
	}
	hash := opaque.HashOf(strings.TrimSpace(token))
	if c.RegistrationHash == (store.Hash{}) || subtle.ConstantTimeCompare(hash[:], c.RegistrationHash[:]) != 1 {
		return store.Client{}, badToken()
	}
	return c, nil
}

func badToken() *oauth.Error {
	return unauthorized(oauth.InvalidToken, "the registration access token is not that of a client that exists")
}

func unauthorized(code oauth.Code, text string) *oauth.Error {
	return &oauth.Error{Code: code, Description: text, Status: http.StatusUnauthorized, Reason: reason.ClientBadRegistration}
}

// replace puts new metadata in the place of all that was registered (RFC 7592
// §2.2). What people approved stays, since the host profile does; open consent
// pages go, since they show what was.
func (h *Registration) replace(w http.ResponseWriter, r *http.Request, have store.Client) (*information, *oauth.Error) {
	ctx := r.Context()
	wanted, e := h.read(w, r)
	if e == nil {
		e = h.checkOwn(wanted, have)
	}
	if e != nil {
		return nil, h.refuse(ctx, wanted.ClientName, e)
	}
	match, e := h.admit(ctx, wanted, func(p Profile) bool { return p.ID == have.Profile })
	if e == nil && match.Profile.ID != have.Profile {
		e = badMetadata("the redirect URIs belong to %s, and this client was registered as %s: register anew", match.Profile.ID, have.Profile)
	}
	if e == nil && have.UpdatedAt.IsZero() { // one row more
		e = h.takeNew(ctx, named, match.Profile.ID)
	}
	if e != nil {
		return nil, h.refuse(ctx, wanted.ClientName, e)
	}
	next := h.describe(wanted, match)
	next.RedirectURIs = match.Admitted // its own row: nothing is folded any more
	next.ID, next.CreatedAt, next.UpdatedAt, next.RegistrationHash = have.ID, have.CreatedAt, h.cfg.Clock.Now(), have.RegistrationHash
	if next.AuthMethod != AuthNone {
		if _, next.SecretHash, _ = h.cfg.Minter.Derive(opaque.ClientSecret, have.ID); next.SecretHash == (store.Hash{}) {
			next.SecretHash = have.SecretHash // the key is gone; whoever has the secret keeps it
		}
	}
	if err := h.cfg.Store.Update(ctx, func(tx store.Tx) error { return change(ctx, tx, have, next) }); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil, h.refuse(ctx, "", badToken()) // it was ended meanwhile
		}
		return nil, h.unavailable(ctx, err)
	}
	event := h.event(ctx, audit.ClientUpdated, next.ID, next.Name)
	event.Durable, event.Detail = true, "changed "+orNothing(differences(have, next))
	if err := h.cfg.Audit.Record(ctx, event); err != nil {
		return nil, oauth.NotAudited(err)
	}
	return h.inform(next), nil
}

// change writes next for a client that has a row or gets one now.
func change(ctx context.Context, tx store.Tx, have, next store.Client) error {
	switch _, err := tx.Client(ctx, have.ID); {
	case errors.Is(err, store.ErrNotFound):
		if err := tx.CreateClient(ctx, next); err != nil {
			if errors.Is(err, store.ErrConflict) {
				return store.ErrNotFound
			}
			return err
		}
	case err != nil:
		return err
	default:
		if err := tx.PutClient(ctx, next); err != nil { // keeps when it was approved
			return err
		}
	}
	return tx.DeleteApprovalsOfClient(ctx, have.ID)
}

// checkOwn checks the members that only this endpoint knows (RFC 7592 §2.2).
func (h *Registration) checkOwn(m metadata, have store.Client) *oauth.Error {
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, given := m.Unknown[name]; given {
			return badMetadata("%s must not be sent", name)
		}
	}
	if id, given := m.text("client_id"); !given || id != have.ID {
		return badMetadata("client_id must be that of the client")
	}
	if secret, given := m.text("client_secret"); given {
		hash := opaque.HashOf(secret)
		if subtle.ConstantTimeCompare(hash[:], have.SecretHash[:]) != 1 {
			return badMetadata("client_secret is not the current one; leave it out")
		}
	}
	return nil
}

// text reads a member of a registration that counts only here.
func (m metadata) text(name string) (value string, given bool) {
	raw, given := m.Unknown[name]
	if !given || json.Unmarshal(raw, &value) != nil {
		return "", given
	}
	return value, true
}

// remove ends a client with everything that people gave it (RFC 7592 §2.3).
func (h *Registration) remove(ctx context.Context, c store.Client) *oauth.Error {
	ended, err := h.cfg.Grants.RevokeClient(ctx, c.ID, revokedByClient, true)
	if err != nil {
		return h.unavailable(ctx, err)
	}
	event := h.event(ctx, audit.ClientRemoved, c.ID, c.Name)
	event.Durable, event.Count, event.Detail = true, len(ended), "by itself; count is that of its grants, which ended"
	if err := h.cfg.Audit.Record(context.WithoutCancel(ctx), event); err != nil {
		return oauth.NotAudited(err)
	}
	return nil
}

// revokedByClient is why the grants of such a client ended.
const revokedByClient = "client"

// differences names the members in which two registrations differ.
func differences(a, b store.Client) []string {
	var changed []string
	for _, member := range []struct {
		name string
		same bool
	}{
		{"client_name", a.Name == b.Name},
		{"redirect_uris", slices.Equal(a.RedirectURIs, b.RedirectURIs)},
		{"grant_types", slices.Equal(a.GrantTypes, b.GrantTypes)},
		{"token_endpoint_auth_method", a.AuthMethod == b.AuthMethod},
		{"scope", a.Scope == b.Scope},
		{"application_type", a.ApplicationType == b.ApplicationType},
		{"software_id", a.SoftwareID == b.SoftwareID},
		{"software_version", a.SoftwareVersion == b.SoftwareVersion},
	} {
		if !member.same {
			changed = append(changed, member.name)
		}
	}
	return changed
}

func orNothing(changed []string) string {
	if len(changed) == 0 {
		return "nothing"
	}
	return strings.Join(changed, " ")
}
