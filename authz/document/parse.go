package document

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/strictjson"
)

// ErrInvalid says that a document breaks a rule. What wraps it says which one,
// in words of ours that may be shown.
var ErrInvalid = errors.New("the client metadata document is not acceptable")

// MaxBytes is the longest document that is read. The draft suggests 5 KB; real
// documents are longer.
const MaxBytes = 64 << 10

// Bounds of a document.
const (
	maxDepth     = 16
	maxMembers   = 200
	maxRedirects = 20
	maxName      = 100 // characters
)

const (
	methodNone     = "none"
	symmetric      = "client_secret_" // begins every method with a shared secret (RFC 7591 §2)
	grantCode      = "authorization_code"
	grantRefresh   = "refresh_token"
	responseCode   = "code"
	applicationWeb = "web"
	applicationApp = "native"
)

// Document is what counts of a client id metadata document.
type Document struct {
	// ID is its URL and the client id.
	ID string
	// Name is what the document calls the client. It proves nothing.
	Name string
	// RedirectURIs are the admitted ones, exact strings: https and loopback.
	RedirectURIs []string
	// GrantTypes are those of the document that this server has.
	GrantTypes []string
	// ApplicationType is native or web, derived from the redirect URIs where the
	// document does not say.
	ApplicationType string
	// Keys is the client's key set, or the URL of one, in canonical form (RFC 8785);
	// it is not used yet, but another one is another client.
	Keys string
}

// wire is the part of a document that counts (RFC 7591 §2).
type wire struct {
	ClientID        string         `json:"client_id"`
	ClientName      string         `json:"client_name"`
	RedirectURIs    []string       `json:"redirect_uris"`
	GrantTypes      []string       `json:"grant_types"`
	ResponseTypes   []string       `json:"response_types"`
	AuthMethod      string         `json:"token_endpoint_auth_method"`
	AuthMethods     []string       `json:"token_endpoint_auth_methods_supported"` // not standard; a large vendor's
	ApplicationType string         `json:"application_type"`
	JWKS            jsontext.Value `json:"jwks"`
	JWKSURI         string         `json:"jwks_uri"`
	// Kept as they are: that they are there is enough.
	Secret        jsontext.Value `json:"client_secret"`
	SecretExpires jsontext.Value `json:"client_secret_expires_at"`

	Unknown map[string]jsontext.Value `json:",embed"`
}

// known are the members that count; one of them in another case is an attempt
// to be read differently by two readers.
var known = []string{
	"client_id", "client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method",
	"token_endpoint_auth_methods_supported", "application_type", "jwks", "jwks_uri", "client_secret", "client_secret_expires_at",
}

// Parse reads the document that was found at id (Client ID Metadata Document
// -01 §4). Members that do not count are ignored. Errors are ErrInvalid.
func Parse(id string, body []byte) (Document, error) {
	if err := CheckID(id); err != nil {
		return Document{}, invalid("%w", err)
	}
	w, err := decode(body)
	if err != nil {
		return Document{}, err
	}
	// Simple string comparison (RFC 3986 §6.2.1), so that a document speaks for
	// the one URL at which it was found.
	if w.ClientID != id {
		return Document{}, invalid("client_id is not the URL of the document")
	}
	if len(w.Secret) > 0 || len(w.SecretExpires) > 0 {
		return Document{}, invalid("it holds a client secret, which everybody can read")
	}
	if err := w.checkMethods(); err != nil {
		return Document{}, err
	}
	if err := w.checkName(); err != nil {
		return Document{}, err
	}
	return w.document()
}

func decode(body []byte) (wire, error) {
	var w wire
	if len(body) > MaxBytes {
		return w, invalid("it is longer than %d bytes", MaxBytes)
	}
	if strictjson.TooDeep(body, maxDepth) {
		return w, invalid("it is nested too deeply")
	}
	// The decoder refuses names given twice, invalid UTF-8 and trailing text.
	if err := json.Unmarshal(body, &w); err != nil || jsontext.Value(body).Kind() != '{' {
		return w, invalid("it is not one JSON object with the member types of RFC 7591, each name once, in UTF-8")
	}
	if len(w.Unknown) > maxMembers {
		return w, invalid("it has more than %d members", maxMembers)
	}
	for name := range w.Unknown {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			return w, invalid("a member is spelt in the wrong case")
		}
	}
	return w, nil
}

// checkMethods admits clients that can do without authentication. A shared
// secret cannot be in a public text, and its mention says that the document is
// not what it should be.
func (w *wire) checkMethods() error {
	for _, method := range append([]string{w.AuthMethod}, w.AuthMethods...) {
		if strings.HasPrefix(method, symmetric) {
			return invalid("it asks for authentication with a shared secret")
		}
	}
	switch {
	case w.AuthMethod == methodNone, slices.Contains(w.AuthMethods, methodNone):
		return nil
	// RFC 7591's default is a shared secret, which a document cannot mean.
	case w.AuthMethod == "" && len(w.AuthMethods) == 0:
		return nil
	}
	return invalid("it asks for an authentication method that is not supported here yet; %q is", methodNone)
}

// checkName refuses names that are meant to be mistaken. Nobody is shown a
// document's name as if it were true, but it is compared and logged.
func (w *wire) checkName() error {
	w.ClientName = strings.TrimSpace(w.ClientName)
	if w.ClientName == "" {
		return invalid("client_name is missing")
	}
	hidden := func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
	}
	if utf8.RuneCountInString(w.ClientName) > maxName || strings.ContainsFunc(w.ClientName, hidden) {
		return invalid("client_name has more than %d characters, or characters that are not shown", maxName)
	}
	return nil
}

func (w *wire) document() (Document, error) {
	d := Document{ID: w.ClientID, Name: w.ClientName}
	var err error
	if d.RedirectURIs, err = admitted(w.RedirectURIs); err != nil {
		return Document{}, err
	}
	if d.GrantTypes, err = w.grants(); err != nil {
		return Document{}, err
	}
	if d.ApplicationType, err = w.application(d.RedirectURIs); err != nil {
		return Document{}, err
	}
	d.Keys, err = w.keys()
	return d, err
}

// admitted judges each redirect URI. One that leads to no client refuses the
// document; a private-use scheme, which any app can claim, is left out.
func admitted(uris []string) ([]string, error) {
	if len(uris) == 0 || len(uris) > maxRedirects {
		return nil, invalid("redirect_uris does not have 1 to %d entries", maxRedirects)
	}
	kept := make([]string, 0, len(uris))
	for i, uri := range uris {
		u, err := oauth.ParseRedirectURI(uri)
		if err != nil {
			return nil, invalid("redirect_uris[%d] is refused: %w", i, err)
		}
		if (u.Scheme == "https" || u.Scheme == "http") && !slices.Contains(kept, uri) {
			kept = append(kept, uri)
		}
	}
	if len(kept) == 0 {
		return nil, invalid("redirect_uris has private-use schemes only, which any app can claim")
	}
	return kept, nil
}

// grants keeps what this server does and refuses only when nothing is left:
// assistants list grant types that few servers have.
func (w *wire) grants() ([]string, error) {
	if len(w.ResponseTypes) > 0 && !slices.Contains(w.ResponseTypes, responseCode) {
		return nil, invalid("response_types does not contain %s", responseCode)
	}
	ours := []string{grantCode, grantRefresh}
	if len(w.GrantTypes) == 0 {
		return ours, nil
	}
	kept := oauth.Intersect(ours, w.GrantTypes)
	if !slices.Contains(kept, grantCode) {
		return nil, invalid("grant_types does not contain %s", grantCode)
	}
	return kept, nil
}

// application derives the type from the redirect URIs where it is missing: a
// document without one is not therefore a web application.
func (w *wire) application(redirects []string) (string, error) {
	switch w.ApplicationType {
	case applicationWeb, applicationApp:
		return w.ApplicationType, nil
	case "":
	default:
		return "", invalid("application_type is neither %s nor %s", applicationApp, applicationWeb)
	}
	if slices.ContainsFunc(redirects, oauth.IsLoopbackRedirect) {
		return applicationApp, nil
	}
	return applicationWeb, nil
}

func (w *wire) keys() (string, error) {
	if len(w.JWKS) == 0 || w.JWKS.Kind() == 'n' {
		return w.JWKSURI, nil
	}
	if w.JWKSURI != "" {
		return "", invalid("it has both jwks and jwks_uri") // RFC 7591 §2
	}
	if err := w.JWKS.Canonicalize(); err != nil {
		return "", invalid("jwks is not readable")
	}
	return string(w.JWKS), nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}
