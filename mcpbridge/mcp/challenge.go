package mcp

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

// challenger writes the refusals that a client answers by getting a token:
// WWW-Authenticate as RFC 6750 §3 and RFC 9728 §5.1 define it, and beside it a
// JSON-RPC error whose data repeats the OAuth error, so that programs which
// read only the body understand it as well.
type challenger struct {
	metadataURL string
	noToken     *refusal
}

func newChallenger(metadataURL string, scopes []string) (*challenger, error) {
	u, err := url.Parse(metadataURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || !quotable(metadataURL) {
		return nil, fmt.Errorf("%w: the metadata address %q is not an absolute URL", ErrConfig, metadataURL)
	}
	if i := slices.IndexFunc(scopes, func(s string) bool { return !scopeToken(s) }); i >= 0 {
		return nil, fmt.Errorf("%w: %q is not a scope", ErrConfig, scopes[i])
	}
	c := &challenger{metadataURL: metadataURL}
	c.noToken = &refusal{
		status: http.StatusUnauthorized, code: jsonrpc.CodeUnauthorized,
		message: "An access token is required. Sign in first.",
		reason:  reason.ClientNoToken,
		data:    oauthData("", "", reason.ClientNoToken),
		// No error attribute: nothing was presented that could be wrong (RFC 6750 §3.1).
		challenge: "Bearer " + c.attributes(scopes),
	}
	return c, nil
}

// invalidToken refuses a token that was presented (RFC 6750 §3.1).
func (c *challenger) invalidToken(why reason.Reason) *refusal {
	const text = "The access token is not valid (any more). Refresh it or sign in again."
	return &refusal{
		status: http.StatusUnauthorized, code: jsonrpc.CodeUnauthorized, message: text, reason: why,
		errorCode: "invalid_token", data: oauthData("invalid_token", "", why),
		challenge: `Bearer error="invalid_token", error_description="` + text + `", ` + strings.TrimPrefix(c.noToken.challenge, "Bearer "),
	}
}

// insufficientScope asks for a wider consent (RFC 6750 §3.1). scopes are all
// that the client should ask for, in one challenge: what it has and what the
// call needs.
func (c *challenger) insufficientScope(scopes []string, needed string, why reason.Reason) *refusal {
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !scopeToken(s) })
	text := "This tool needs a permission that was not given yet."
	if scopeToken(needed) {
		text = "This tool needs the scope " + needed + ", which was not given yet."
	}
	return &refusal{
		status: http.StatusForbidden, code: jsonrpc.CodeForbidden, message: text, reason: why,
		errorCode: "insufficient_scope", data: oauthData("insufficient_scope", strings.Join(scopes, " "), why),
		challenge: `Bearer error="insufficient_scope", error_description="` + text + `", ` + c.attributes(scopes),
	}
}

func (c *challenger) attributes(scopes []string) string {
	s := `resource_metadata="` + c.metadataURL + `"`
	if len(scopes) > 0 {
		s += `, scope="` + strings.Join(scopes, " ") + `"`
	}
	return s
}

// oauthData is the data of a JSON-RPC error beside a challenge: the OAuth error
// code and the scopes if there are any, and always the reason.
func oauthData(code, scope string, why reason.Reason) []byte {
	b := []byte{'{'}
	for _, field := range []struct{ name, value string }{{"error", code}, {"scope", scope}, {"reason", string(why)}} {
		if field.value == "" {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = jsonrpc.AppendString(b, field.name)
		b = append(b, ':')
		b = jsonrpc.AppendString(b, field.value)
	}
	return append(b, '}')
}

// quotable reports whether s can stand between quotes in a header without
// escapes (RFC 9110 §5.6.4, printable ASCII).
func quotable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' })
}

// scopeToken reports whether s is one scope (RFC 6749 §3.3).
func scopeToken(s string) bool {
	return s != "" && quotable(s) && !strings.Contains(s, " ")
}
