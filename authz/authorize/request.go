package authorize

import (
	"slices"
	"strconv"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/session"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Bounds of parameters.
const (
	maxState  = 2 << 10
	maxHint   = 254
	maxMaxAge = 10 * 365 * 24 * 3600 // seconds; more says nothing
)

// request reads the rest of an authorization request. What is wrong with it
// becomes a refusal that waits for the sign-in; the first fault is told.
func (h *Handlers) request(query oauth.Params, client store.Client, redirect string) session.Request {
	req := session.Request{ClientID: client.ID, Assistant: client.Name, RedirectURI: redirect}
	no := func(code oauth.Code, why reason.Reason, description string) {
		if req.Refusal == nil {
			req.Refusal = &session.Refusal{Code: code, Description: description, Reason: why}
		}
	}
	invalid := func(description string) { no(oauth.InvalidRequest, reason.ClientBadRequest, description) }

	h.readState(query, &req, invalid)
	if name := query.Repeated("response_type", "response_mode", "scope", "code_challenge", "code_challenge_method",
		"request", "request_uri", "prompt", "max_age", "login_hint", "nonce"); name != "" {
		invalid("the parameter " + name + " is given more than once")
	}
	switch query.Get("response_type") {
	case "code":
	case "":
		invalid("response_type is missing")
	default:
		no(oauth.UnsupportedResponseType, reason.ClientBadRequest, "the only response_type is code")
	}
	if len(client.GrantTypes) > 0 && !slices.Contains(client.GrantTypes, "authorization_code") {
		no(oauth.UnauthorizedClient, reason.ClientBadRequest, "the client is not registered for the authorization code grant")
	}
	// OpenID Connect has codes of its own for these two; a plain OAuth server
	// answers invalid_request.
	if query.Get("request") != "" || query.Get("request_uri") != "" {
		invalid("request objects are not supported")
	}
	if mode := query.Get("response_mode"); mode != "" && mode != "query" {
		invalid("the only response_mode is query")
	}
	// PKCE is for every client, and an absent method means plain (RFC 7636 §4.3),
	// which is refused.
	switch challenge := query.Get("code_challenge"); {
	case challenge == "":
		invalid("code_challenge is missing")
	case query.Get("code_challenge_method") != oauth.MethodS256:
		invalid("the only code_challenge_method is S256")
	case !oauth.ValidChallenge(challenge):
		invalid("code_challenge is no S256 challenge")
	default:
		req.Challenge = challenge
	}
	if resource, ok := h.resource(query); !ok {
		no(oauth.InvalidTarget, reason.ResourceUnknown, "resource must be given once and name a resource of this server")
	} else {
		req.Resource = resource.URL
		scopes, ok := grantable(query.Get("scope"), resource)
		if !ok {
			no(oauth.InvalidScope, reason.ScopeInvalid, "scope is malformed, or the resource has none")
		}
		req.Scopes = scopes
	}
	readSignIn(query, &req, no)
	return req
}

// readState takes the client's state, which is given back byte for byte. One
// that is refused is not echoed.
func (h *Handlers) readState(query oauth.Params, req *session.Request, invalid func(string)) {
	state := query.Get("state")
	switch {
	case query.Repeated("state") != "":
		invalid("the parameter state is given more than once")
	case len(state) > maxState:
		invalid("state is longer than 2048 bytes")
	case strings.ContainsFunc(state, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		invalid("state has control characters")
	default:
		req.State = []byte(state)
	}
}

// resource finds the resource that a token is asked for (RFC 8707 §2). Exactly
// one may be named; a client that names none means the only one.
func (h *Handlers) resource(query oauth.Params) (policy.Resource, bool) {
	resources := h.cfg.Policy.Resources()
	presented := query.Get("resource")
	if presented == "" {
		if len(resources) == 1 && query.Repeated("resource") == "" {
			return resources[0], true
		}
		return policy.Resource{}, false
	}
	wanted, err := oauth.CanonicalResource(presented)
	if err != nil || query.Repeated("resource") != "" {
		return policy.Resource{}, false
	}
	for _, r := range resources {
		if own, err := oauth.CanonicalResource(r.URL); err == nil && own == wanted {
			return r, true
		}
	}
	return policy.Resource{}, false
}

// grantable returns the scopes to ask the person for, in the resource's order.
// Scopes that the resource does not have are dropped and not refused: clients
// add offline_access or openid by themselves. A request that names only such
// scopes, or none, gets the initial ones. Nothing is widened in silence: the
// consent page shows what is asked for.
func grantable(scope string, resource policy.Resource) ([]string, bool) {
	asked, ok := oauth.ParseScopes(scope)
	if !ok {
		return nil, false
	}
	var scopes []string
	for _, s := range resource.Scopes {
		if slices.Contains(asked, s.Name) {
			scopes = append(scopes, s.Name)
		}
	}
	if len(scopes) == 0 {
		scopes = slices.Clone(resource.InitialScopes)
	}
	return scopes, len(scopes) > 0
}

// readSignIn takes the wishes about the sign-in, which are OpenID Connect's
// (Core 1.0 §3.1.2.1) and sent by plain OAuth clients too.
func readSignIn(query oauth.Params, req *session.Request, no func(oauth.Code, reason.Reason, string)) {
	prompts := strings.Fields(query.Get("prompt"))
	switch {
	case !slices.Contains(prompts, "none"):
		// "login" and "select_account" want the person to sign in now; values that
		// are not known mean nothing.
		req.ForceLogin = slices.Contains(prompts, "login") || slices.Contains(prompts, "select_account")
		req.Ask = slices.Contains(prompts, "consent")
	case len(prompts) > 1:
		no(oauth.InvalidRequest, reason.ClientBadRequest, "prompt=none stands alone")
	default:
		// The codes for this, interaction_required and its kin, are OpenID Connect's.
		// In OAuth's words the server denies the request (OAuth 2.1 §4.1.2.1).
		no(oauth.AccessDenied, reason.ClientBadRequest, "prompt=none is not served: the person must be able to see who asks")
	}
	if s := query.Get("max_age"); s != "" {
		age, err := strconv.Atoi(s)
		switch {
		case err != nil || age < 0:
			no(oauth.InvalidRequest, reason.ClientBadRequest, "max_age is no number of seconds")
		case age <= maxMaxAge:
			req.MaxAge = &age
		}
	}
	if hint := query.Get("login_hint"); len(hint) <= maxHint {
		req.LoginHint = hint
	}
}
