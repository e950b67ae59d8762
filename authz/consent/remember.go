package consent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// errForgotten says that a remembered consent is not there any more.
var errForgotten = errors.New("consent is not remembered")

// rememberable says whether an approval may stand for the next one of the same
// kind. It may for an assistant whose metadata document a host profile lists and
// whose answer reaches its own https address only. On a computer any app can pose
// as another (RFC 8252 §8.6), and a registration is anybody's: there the person is
// asked each time.
func (h *Handlers) rememberable(p pending) bool {
	_, known := h.cfg.ProfileName(p.client.Profile)
	return known && p.client.Kind == store.KindDocument && p.client.MetadataHash != (store.Hash{}) &&
		strings.HasPrefix(p.RedirectURI, "https://")
}

// consentOf is what approving p gives.
func (p pending) consentOf(now time.Time) store.Consent {
	host := ""
	if u, err := url.Parse(p.RedirectURI); err == nil {
		host = u.Host
	}
	return store.Consent{
		UserID: p.UserID, ClientID: p.ClientID, RedirectHost: host, Resource: p.Resource, Scopes: p.Scopes,
		MetadataHash: p.client.MetadataHash, GrantedAt: now,
	}
}

// remembered returns the consent that answers p already: given for the same
// address, resource and document, for no less than is asked for now, and not too
// long ago. The error is errForgotten, or that of a store that cannot answer.
func (h *Handlers) remembered(ctx context.Context, r store.ConsentReader, p pending) (store.Consent, error) {
	if p.Ask || !h.rememberable(p) {
		return store.Consent{}, errForgotten
	}
	now := h.cfg.Clock.Now()
	asked := p.consentOf(now)
	given, err := r.Consent(ctx, asked.Key())
	if errors.Is(err, store.ErrNotFound) {
		return store.Consent{}, errForgotten
	}
	if err != nil {
		return store.Consent{}, fmt.Errorf("read consent: %w", err)
	}
	if given.MetadataHash != asked.MetadataHash || !oauth.Covers(given.Scopes, asked.Scopes) || now.Sub(given.GrantedAt) >= store.KeepConsent {
		return store.Consent{}, errForgotten
	}
	return given, nil
}

// remember keeps what was approved. What is approved later adds to it, as long as
// the document is the same.
func (h *Handlers) remember(ctx context.Context, tx store.Tx, p pending) error {
	if !h.rememberable(p) {
		return nil
	}
	given := p.consentOf(h.cfg.Clock.Now())
	before, err := tx.Consent(ctx, given.Key())
	switch {
	case err == nil && before.MetadataHash == given.MetadataHash:
		given.Scopes = oauth.Union(before.Scopes, given.Scopes)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("read consent: %w", err)
	}
	if err := tx.SaveConsent(ctx, given); err != nil {
		return fmt.Errorf("remember consent: %w", err)
	}
	return nil
}

// answerRemembered approves without asking where the person has done so before,
// and is false where they have not.
func (h *Handlers) answerRemembered(w http.ResponseWriter, r *http.Request, p pending) bool {
	_, err := h.remembered(r.Context(), h.cfg.Store, p)
	if err != nil && !errors.Is(err, errForgotten) {
		h.cfg.Pages.Unavailable(w, r, reason.StoreUnavailable, err, "/consent?request="+p.ID)
		return true
	}
	return err == nil && h.approve(w, r, p, true)
}

// rememberedFor says on the page for how long an approval stands; "" for not.
func (h *Handlers) rememberedFor(p pending) string {
	if !h.rememberable(p) {
		return ""
	}
	return fmt.Sprintf("%d days", store.KeepConsent/(24*time.Hour))
}
