package client

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// idPrefix begins every registered client id. It is no URL, so that no
// registration can pass for a client id metadata document.
const idPrefix = "lmcl_"

// Gate says whether a profile may register at all.
type Gate interface {
	// ProfileAllowedAnywhere says whether any enabled domain allows the profile.
	ProfileAllowedAnywhere(profile string) bool
}

// SecretMinter makes client secrets.
type SecretMinter interface {
	Mint(k opaque.Kind, family string, gen uint32) (token string, h store.Hash)
}

// RegistrationConfig configures the registration endpoint.
type RegistrationConfig struct {
	Registry *Registry      // required
	Gate     Gate           // required
	Store    store.Updater  // required
	Secrets  SecretMinter   // required
	Audit    audit.Recorder // required
	Clock    clock.Clock    // default the system's
	Rand     io.Reader      // default the system's source
	Log      *slog.Logger   // default slog.Default
	// Observe, when not nil, is told how every registration ended: reason.None for
	// a client that was registered. It must not block.
	Observe func(reason.Reason)
}

// Registration is the dynamic client registration endpoint (RFC 7591 §3).
type Registration struct {
	cfg      RegistrationConfig
	refusals *audit.Refusals
}

// NewRegistration returns the endpoint.
func NewRegistration(cfg RegistrationConfig) (*Registration, error) {
	if cfg.Registry == nil || cfg.Gate == nil || cfg.Store == nil || cfg.Secrets == nil || cfg.Audit == nil {
		return nil, errors.New("client registration: registry, gate, store, secrets and audit are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Observe == nil {
		cfg.Observe = func(reason.Reason) {}
	}
	return &Registration{cfg: cfg, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log)}, nil
}

// ServeHTTP answers POST and the preflight of browsers. Browsers of any origin
// may register: no cookie is read, and a registration grants nothing.
func (h *Registration) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	oauth.AllowAnyOrigin(w.Header())
	switch r.Method {
	case http.MethodPost:
	case http.MethodOptions:
		oauth.Preflight(w, http.MethodPost, http.MethodOptions)
		return
	default:
		w.Header().Set("Allow", "POST, OPTIONS")
		oauth.WriteError(w, &oauth.Error{Code: oauth.InvalidRequest, Description: "use POST", Status: http.StatusMethodNotAllowed, Reason: reason.ClientBadRequest})
		return
	}
	answer, e := h.register(w, r)
	if e != nil {
		h.cfg.Observe(e.Reason)
		oauth.WriteError(w, e)
		return
	}
	h.cfg.Observe(reason.None)
	oauth.WriteJSON(w, http.StatusCreated, answer)
}

// register reads, decides, stores and records, in this order.
func (h *Registration) register(w http.ResponseWriter, r *http.Request) (*registered, *oauth.Error) {
	ctx := r.Context()
	body, e := readBody(w, r)
	if e != nil {
		return nil, h.refuse(ctx, "", e)
	}
	m, e := parseMetadata(body)
	if e != nil {
		return nil, h.refuse(ctx, m.ClientName, e)
	}
	match, e := h.admit(m)
	if e != nil {
		return nil, h.refuse(ctx, m.ClientName, e)
	}
	c, secret := h.build(m, match)
	if err := h.cfg.Store.Update(ctx, func(tx store.Tx) error { return tx.CreateClient(ctx, c) }); err != nil {
		h.cfg.Log.ErrorContext(ctx, "a client registration could not be stored", "error", err)
		return nil, oauth.Unavailable(err)
	}
	// What is acknowledged is in the audit trail. A client that is not recorded
	// is never named to anyone, and is swept as unused.
	if err := h.cfg.Audit.Record(ctx, h.event(ctx, audit.ClientRegistered, c.ID, c.Name)); err != nil {
		h.cfg.Log.ErrorContext(ctx, "a client registration could not be audited", "error", err)
		return nil, oauth.NotAudited(err)
	}
	return answerOf(c, secret), nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *oauth.Error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, badMetadata("the content type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRegistration))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		e := badMetadata("the body is longer than %d bytes", maxRegistration)
		e.Status = http.StatusRequestEntityTooLarge
		return nil, e
	}
	if err != nil {
		return nil, badMetadata("the body could not be read")
	}
	return body, nil
}

// admit finds the profile of a registration and asks whether anyone allows it.
// Among profiles that its redirect URIs fit equally, allowed ones come first,
// and of those the one that knows the client's name: the name admits nothing
// that the URIs did not admit.
func (h *Registration) admit(m metadata) (Match, *oauth.Error) {
	match, err := h.cfg.Registry.Match(m.RedirectURIs,
		func(p Profile) bool { return h.cfg.Gate.ProfileAllowedAnywhere(p.ID) },
		func(p Profile) bool { return p.Recognizes(m.ClientName) },
	)
	if refused := (*RedirectError)(nil); errors.As(err, &refused) {
		return Match{}, refused.wire()
	}
	if err != nil {
		return Match{}, oauth.Errorf(oauth.InvalidRedirectURI, reason.ClientBadRedirect, "redirect_uris fit no client")
	}
	if !h.cfg.Gate.ProfileAllowedAnywhere(match.Profile.ID) {
		e := oauth.Errorf(oauth.UnauthorizedClient, reason.ClientNotAllowed,
			"client: the assistant %s is known here, but no domain allows it; an administrator can add it to the clients line of a domain", match.Profile.ID)
		e.Status = http.StatusForbidden
		return Match{}, e
	}
	return match, nil
}

// wire is the answer to a registration with such a redirect URI. People see it
// in their assistant and send it to their administrator, so it names the URI
// where that can be shown safely.
func (e *RedirectError) wire() *oauth.Error {
	subject := ""
	if quotable(e.URI) {
		subject = " (" + e.URI + ")"
	}
	advice := ""
	if e.Reason == reason.ClientNoProfile {
		advice = "; an administrator can add it to a client block"
	}
	return oauth.Errorf(oauth.InvalidRedirectURI, e.Reason, "client: redirect_uris[%d]%s %s%s", e.Index, subject, unquoted(e.Text), advice)
}

// build makes the record of an admitted client, and its secret if it asked for
// one. The secret exists in the answer only.
func (h *Registration) build(m metadata, match Match) (store.Client, string) {
	random := opaque.NewID(h.cfg.Rand)
	c := store.Client{
		ID: idPrefix + random, Profile: match.Profile.ID, Name: match.Profile.DisplayName(m.ClientName), RedirectURIs: match.Admitted,
		GrantTypes: m.GrantTypes, AuthMethod: m.AuthMethod, Scope: m.Scope, ApplicationType: m.ApplicationType,
		SoftwareID: m.SoftwareID, SoftwareVersion: m.SoftwareVersion, CreatedAt: h.cfg.Clock.Now(),
	}
	if c.ApplicationType == "" {
		c.ApplicationType = "web"
		if slices.ContainsFunc(c.RedirectURIs, oauth.IsLoopbackRedirect) {
			c.ApplicationType = "native"
		}
	}
	var secret string
	if c.AuthMethod != AuthNone {
		secret, c.SecretHash = h.cfg.Secrets.Mint(opaque.ClientSecret, random, 0)
	}
	return c, secret
}

// refuse records a refusal and returns it. Anyone can cause one, so that trail
// and log get a sample. The name may be what the refusal is about: one that is
// too long or meant to deceive is not written down.
func (h *Registration) refuse(ctx context.Context, name string, e *oauth.Error) *oauth.Error {
	name, ok := cleanText(name)
	if !ok {
		name = ""
	}
	event := h.event(ctx, audit.ClientRejected, "", name)
	event.Reason, event.ErrorCode = e.Reason, string(e.Code)
	if h.refusals.Sample(ctx, event) {
		h.cfg.Log.InfoContext(ctx, "client registration refused", "reason", string(e.Reason), "why", e.Description)
	}
	return e
}

func (h *Registration) event(ctx context.Context, name, clientID, clientName string) audit.Event {
	return audit.Event{
		Name: name, Time: h.cfg.Clock.Now(), ClientID: clientID, ClientName: clientName,
		RequestID: httpx.RequestID(ctx), ClientIP: httpx.ClientIP(ctx),
	}
}

// registered is the answer (RFC 7591 §3.2.1): all that was registered, also
// what the server changed.
type registered struct {
	ClientID        string   `json:"client_id"`
	IssuedAt        int64    `json:"client_id_issued_at"`
	Secret          string   `json:"client_secret,omitempty"`
	SecretExpiresAt *int64   `json:"client_secret_expires_at,omitempty"` // with a secret always; 0 = never
	ClientName      string   `json:"client_name"`
	RedirectURIs    []string `json:"redirect_uris"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	Scope           string   `json:"scope,omitempty"`
	ApplicationType string   `json:"application_type"`
	SoftwareID      string   `json:"software_id,omitempty"`
	SoftwareVersion string   `json:"software_version,omitempty"`
}

func answerOf(c store.Client, secret string) *registered {
	a := &registered{
		ClientID: c.ID, IssuedAt: c.CreatedAt.Unix(), Secret: secret, ClientName: c.Name, RedirectURIs: c.RedirectURIs,
		GrantTypes: c.GrantTypes, ResponseTypes: []string{responseCode}, AuthMethod: c.AuthMethod, Scope: c.Scope,
		ApplicationType: c.ApplicationType, SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion,
	}
	if secret != "" {
		a.SecretExpiresAt = new(int64)
	}
	return a
}
