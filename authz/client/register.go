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
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/opaque"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/flood"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Gate says whether a profile may register at all.
type Gate interface {
	// ProfileAllowedAnywhere says whether any enabled domain allows the profile.
	ProfileAllowedAnywhere(profile string) bool
}

// RegistrationStore is what the registration endpoints need of the store.
type RegistrationStore interface {
	store.Updater
	Store
}

// Grants ends what people gave to a client; the grant service is one.
type Grants interface {
	RevokeClient(ctx context.Context, clientID, why string, remove bool) ([]store.Family, error)
}

// Limiter counts events by key; *limit.Memory is one.
type Limiter interface {
	Take(key string, r limit.Rate, now time.Time) limit.Verdict
}

// RegistrationConfig configures the registration endpoints.
type RegistrationConfig struct {
	// Issuer begins the address at which a client manages itself. Required.
	Issuer     string
	Registry   *Registry         // required
	Gate       Gate              // required
	Store      RegistrationStore // required
	Minter     Minter            // required
	Grants     Grants            // required
	Limiter    Limiter           // required; it outlives configurations
	Rejections *Rejections       // required
	Audit      audit.Recorder    // required
	// Scopes are all that exist at the server; others are dropped from what is
	// registered.
	Scopes []string
	Clock  clock.Clock  // default the system's
	Rand   io.Reader    // default the system's source
	Log    *slog.Logger // default slog.Default
	// Observe, when not nil, is told how every registration ended: reason.None for
	// a client that was registered. It must not block.
	Observe func(reason.Reason)
}

// Registration is the dynamic client registration endpoint (RFC 7591 §3) and the
// client configuration endpoint (RFC 7592 §2).
type Registration struct {
	cfg      RegistrationConfig
	clients  *Clients
	refusals *audit.Refusals
	repeated flood.Gate // thins out the events of equal registrations
}

// NewRegistration returns the endpoints.
func NewRegistration(cfg RegistrationConfig) (*Registration, error) {
	if cfg.Issuer == "" || cfg.Registry == nil || cfg.Gate == nil || cfg.Store == nil || cfg.Minter == nil ||
		cfg.Grants == nil || cfg.Limiter == nil || cfg.Rejections == nil || cfg.Audit == nil {
		return nil, errors.New("client registration: issuer, registry, gate, store, minter, grants, limiter, rejections and audit are required")
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
	clients, err := NewClients(cfg.Store, cfg.Minter, cfg.Clock)
	if err != nil {
		return nil, err
	}
	return &Registration{
		cfg: cfg, clients: clients, refusals: audit.NewRefusals(cfg.Audit, cfg.Clock, cfg.Log),
	}, nil
}

// ServeHTTP answers POST and the preflight of browsers. Browsers of any origin
// may register: no cookie is read, and a registration grants nothing.
func (h *Registration) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	oauth.AllowAnyOrigin(w.Header())
	if !allows(w, r, http.MethodPost) {
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

// allows answers preflights and requests of other methods, and is false then.
func allows(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	methods = append(methods, http.MethodOptions)
	switch {
	case r.Method == http.MethodOptions:
		oauth.Preflight(w, methods...)
	case slices.Contains(methods, r.Method):
		return true
	default:
		list := strings.Join(methods, ", ")
		w.Header().Set("Allow", list)
		oauth.WriteError(w, &oauth.Error{
			Code: oauth.InvalidRequest, Description: "the methods are " + list, Status: http.StatusMethodNotAllowed, Reason: reason.ClientBadRequest,
		})
	}
	return false
}

// register reads, decides, limits, stores and records, in this order.
func (h *Registration) register(w http.ResponseWriter, r *http.Request) (*information, *oauth.Error) {
	ctx := r.Context()
	if e := h.takeRequest(ctx); e != nil {
		return nil, h.refuse(ctx, "", e)
	}
	wanted, e := h.read(w, r)
	if e != nil {
		return nil, h.refuse(ctx, wanted.ClientName, e)
	}
	match, e := h.admit(ctx, wanted)
	if e != nil {
		return nil, h.refuse(ctx, wanted.ClientName, e)
	}
	described := h.describe(wanted, match)
	shared, isNew, e := h.fold(ctx, described, match.Profile)
	if e != nil {
		return nil, h.refuse(ctx, described.Name, e)
	}
	now := h.cfg.Clock.Now()
	id, _ := h.cfg.Minter.Mint(opaque.ClientID, shared.ID, uint32(now.Unix())) // fits until 2106
	c, err := h.clients.of(shared, id, now.Truncate(time.Second).UTC())
	if err != nil {
		return nil, oauth.Unavailable(err)
	}
	if e := h.record(ctx, c, isNew); e != nil {
		return nil, e
	}
	answer := h.inform(c)
	answer.RedirectURIs = match.Admitted // with the ports that were sent, which do not count
	return answer, nil
}

// fold finds the registration that is the same, or makes a new one, which is
// charged. Nothing is written for one that was seen a moment ago.
func (h *Registration) fold(ctx context.Context, c store.Client, p Profile) (r store.Registration, isNew bool, e *oauth.Error) {
	now, same := h.cfg.Clock.Now(), fold(c)
	found, err := h.cfg.Store.RegistrationByFold(ctx, same)
	switch {
	case err == nil && now.Sub(found.SeenAt) < seenEvery:
		return found, false, nil
	case errors.Is(err, store.ErrNotFound):
		isNew = true
		if e := h.takeNew(ctx, originOf(c, p), p.ID); e != nil {
			return store.Registration{}, false, e
		}
	case err != nil:
		return store.Registration{}, false, h.unavailable(ctx, err)
	}
	r = store.Registration{ID: opaque.NewID(h.cfg.Rand), Fold: same, Client: c, CreatedAt: now, SeenAt: now}
	err = h.cfg.Store.Update(ctx, func(tx store.Tx) (err error) {
		r, err = tx.SaveRegistration(ctx, r)
		return err
	})
	if err != nil {
		return store.Registration{}, false, h.unavailable(ctx, err)
	}
	return r, isNew, nil
}

// seenEvery is how often the row of a registration that is made again and again
// is written. It is short against the life of an id.
const seenEvery = time.Hour

func (h *Registration) unavailable(ctx context.Context, err error) *oauth.Error {
	h.cfg.Log.ErrorContext(ctx, "a client registration could not be read or stored", "error", err)
	return oauth.Unavailable(err)
}

// record writes a registration down. What is acknowledged is in the audit trail;
// a client that is not recorded is never named to anyone. Equal ones, which
// change nothing, are counted: one event a second and profile.
func (h *Registration) record(ctx context.Context, c store.Client, isNew bool) *oauth.Error {
	event := h.event(ctx, audit.ClientRegistered, c.ID, c.Name)
	event.Durable = isNew
	if !isNew {
		pass, held := h.repeated.Pass(c.Profile, h.cfg.Clock.Now())
		if !pass {
			return nil
		}
		event.Count, event.Detail = held, "the same as an earlier registration"
	}
	if err := h.cfg.Audit.Record(ctx, event); err != nil {
		h.cfg.Log.ErrorContext(ctx, "a client registration could not be audited", "error", err)
		return oauth.NotAudited(err)
	}
	return nil
}

// read reads a registration request.
func (h *Registration) read(w http.ResponseWriter, r *http.Request) (metadata, *oauth.Error) {
	body, e := readBody(w, r)
	if e != nil {
		return metadata{}, e
	}
	return parseMetadata(body)
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
// Among profiles that its redirect URIs fit equally, those that the caller
// prefers come first, then allowed ones,
// and of those the one that knows the client's name: the name admits nothing
// that the URIs did not admit.
//
// What nothing allows is kept for the operators, who may want to.
func (h *Registration) admit(ctx context.Context, m metadata, prefer ...func(Profile) bool) (Match, *oauth.Error) {
	match, err := h.cfg.Registry.Match(m.RedirectURIs, append(prefer,
		func(p Profile) bool { return h.cfg.Gate.ProfileAllowedAnywhere(p.ID) },
		func(p Profile) bool { return p.Recognizes(m.ClientName) },
	)...)
	if refused := (*RedirectError)(nil); errors.As(err, &refused) {
		if refused.Reason == reason.ClientNoProfile {
			h.cfg.Rejections.registration(ctx, m, "", refused)
		}
		return Match{}, refused.wire()
	}
	if err != nil {
		return Match{}, oauth.Errorf(oauth.InvalidRedirectURI, reason.ClientBadRedirect, "redirect_uris fit no client")
	}
	if !h.cfg.Gate.ProfileAllowedAnywhere(match.Profile.ID) {
		e := oauth.Errorf(oauth.UnauthorizedClient, reason.ClientNotAllowed,
			"client: the assistant %s is known here, but no domain allows it; an administrator can add it to the clients line of a domain", match.Profile.ID)
		e.Status = http.StatusForbidden
		h.cfg.Rejections.registration(ctx, m, match.Profile.ID, &RedirectError{Reason: e.Reason, Text: "belongs to " + match.Profile.ID + ", which no domain allows"})
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

// describe says what an admitted client is, without what is its own.
func (h *Registration) describe(m metadata, match Match) store.Client {
	c := store.Client{
		Profile: match.Profile.ID, Name: match.Profile.DisplayName(m.ClientName), RedirectURIs: portless(match.Admitted),
		GrantTypes: m.GrantTypes, AuthMethod: m.AuthMethod, ApplicationType: m.ApplicationType,
		SoftwareID: m.SoftwareID, SoftwareVersion: m.SoftwareVersion,
	}
	asked, _ := oauth.ParseScopes(m.Scope) // checked when it was read
	c.Scope = oauth.FormatScopes(oauth.Intersect(h.cfg.Scopes, asked))
	if c.ApplicationType == "" {
		c.ApplicationType = "web"
		if slices.ContainsFunc(c.RedirectURIs, oauth.IsLoopbackRedirect) {
			c.ApplicationType = "native"
		}
	}
	return c
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
