package client

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/internal/strictjson"
)

// Bounds of a registration.
const (
	maxRegistration = 32 << 10 // bytes of the body
	maxDepth        = 16       // of nested JSON values
	maxRedirects    = 10
	maxScope        = 2 << 10 // bytes
)

// Client authentication methods (RFC 7591 §2).
const (
	AuthNone  = "none"
	AuthPost  = "client_secret_post"
	AuthBasic = "client_secret_basic"
)

const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	responseCode = "code"
)

// metadata is the part of a registration request (RFC 7591 §2) that counts.
type metadata struct {
	RedirectURIs    []string `json:"redirect_uris"`
	ClientName      string   `json:"client_name"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	Scope           string   `json:"scope"`
	ApplicationType string   `json:"application_type"`
	SoftwareID      string   `json:"software_id"`
	SoftwareVersion string   `json:"software_version"`
	// Pages of the client are checked and forgotten: they are not shown, and
	// never fetched.
	ClientURI string `json:"client_uri"`
	LogoURI   string `json:"logo_uri"`
	PolicyURI string `json:"policy_uri"`
	TOSURI    string `json:"tos_uri"`

	Unknown map[string]jsontext.Value `json:",embed"`
}

// known are the members that count; one of them in another case is an attempt
// to be read differently by two readers.
var known = []string{
	"redirect_uris", "client_name", "token_endpoint_auth_method", "grant_types", "response_types", "scope", "application_type",
	"software_id", "software_version", "client_uri", "logo_uri", "policy_uri", "tos_uri",
}

// parseMetadata reads a registration request and fills in the defaults. Redirect
// URIs are only counted here; the profiles judge them.
func parseMetadata(body []byte) (metadata, *oauth.Error) {
	var m metadata
	if strictjson.TooDeep(body, maxDepth) {
		return m, badMetadata("the JSON is nested too deeply")
	}
	// The decoder refuses names given twice, invalid UTF-8 and trailing text.
	if err := json.Unmarshal(body, &m); err != nil {
		e := badMetadata("the body must be one JSON object with the member types of RFC 7591, each name once, in UTF-8")
		e.Err = err
		return m, e
	}
	for name := range m.Unknown {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			return m, badMetadata("a member is spelt in the wrong case")
		}
	}
	if len(m.RedirectURIs) == 0 {
		return m, oauth.Errorf(oauth.InvalidRedirectURI, reason.ClientBadRedirect, "redirect_uris is missing or empty")
	}
	if len(m.RedirectURIs) > maxRedirects {
		return m, oauth.Errorf(oauth.InvalidRedirectURI, reason.ClientBadRedirect, "redirect_uris has more than %d entries", maxRedirects)
	}
	if e := m.checkTexts(); e != nil {
		return m, e
	}
	return m, m.checkProtocol()
}

func (m *metadata) checkTexts() *oauth.Error {
	for _, member := range []struct {
		name string
		text *string
	}{{"client_name", &m.ClientName}, {"software_id", &m.SoftwareID}, {"software_version", &m.SoftwareVersion}} {
		cleaned, ok := cleanText(*member.text)
		if !ok {
			return badMetadata("%s has more than %d characters, or characters that are not shown", member.name, maxText)
		}
		*member.text = cleaned
	}
	for _, member := range []struct{ name, uri string }{
		{"client_uri", m.ClientURI}, {"logo_uri", m.LogoURI}, {"policy_uri", m.PolicyURI}, {"tos_uri", m.TOSURI},
	} {
		if member.uri != "" && !isWebPage(member.uri) {
			return badMetadata("%s must be an https URL", member.name)
		}
	}
	return nil
}

func isWebPage(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && len(uri) <= oauth.MaxRedirectURI && u.Scheme == "https" && u.Hostname() != "" && u.User == nil
}

// checkProtocol keeps of the lists what this server does and refuses only when
// nothing is left: assistants ask for grant types that few servers have.
func (m *metadata) checkProtocol() *oauth.Error {
	switch m.AuthMethod {
	case "":
		m.AuthMethod = AuthBasic // RFC 7591 §2: the default
	case AuthNone, AuthPost, AuthBasic:
	default:
		return badMetadata("token_endpoint_auth_method must be %s, %s or %s", AuthNone, AuthPost, AuthBasic)
	}
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{grantCode, grantRefresh}
	}
	m.GrantTypes = oauth.Intersect([]string{grantCode, grantRefresh}, m.GrantTypes)
	if !slices.Contains(m.GrantTypes, grantCode) {
		return badMetadata("grant_types must contain %s", grantCode)
	}
	if len(m.ResponseTypes) > 0 && !slices.Contains(m.ResponseTypes, responseCode) {
		return badMetadata("response_types must contain %s", responseCode)
	}
	m.ResponseTypes = []string{responseCode}
	if _, ok := oauth.ParseScopes(m.Scope); !ok || len(m.Scope) > maxScope {
		return badMetadata("scope is not a list of scopes separated by spaces, or too long")
	}
	switch m.ApplicationType {
	case "native", "web", "":
	default:
		return badMetadata("application_type must be native or web")
	}
	return nil
}

func badMetadata(format string, args ...any) *oauth.Error {
	return oauth.Errorf(oauth.InvalidClientMetadata, reason.ClientBadMetadata, format, args...)
}
