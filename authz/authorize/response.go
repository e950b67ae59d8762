package authorize

import (
	"net/url"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// Response is an authorization response (OAuth 2.1 §4.1.2): a code, or an error.
type Response struct {
	RedirectURI string // registered, without fragment
	State       string // as EncodeState made it; "" = none was sent
	Issuer      string // in every response, errors too (RFC 9207 §2)
	Code        string
	Error       oauth.Code
	Description string
}

// EncodeState makes text of a client's state, which may be any bytes. It is kept
// and sent in this form: what the client decodes are the bytes that it sent.
func EncodeState(state []byte) string { return url.QueryEscape(string(state)) }

// DecodeState reverses EncodeState.
func DecodeState(encoded string) []byte {
	state, err := url.QueryUnescape(encoded)
	if err != nil { // not what EncodeState made
		return nil
	}
	return []byte(state)
}

// URL returns the redirect URI with the parameters of the response added to the
// query that it may have.
func (a Response) URL() string {
	var b strings.Builder
	b.WriteString(a.RedirectURI)
	separator := byte('?')
	if strings.Contains(a.RedirectURI, "?") {
		separator = '&'
	}
	add := func(name, encoded string) {
		if encoded == "" {
			return
		}
		b.WriteByte(separator)
		b.WriteString(name + "=" + encoded)
		separator = '&'
	}
	add("code", url.QueryEscape(a.Code))
	add("error", url.QueryEscape(string(a.Error)))
	add("error_description", url.QueryEscape(a.Description))
	add("state", a.State)
	add("iss", url.QueryEscape(a.Issuer))
	return b.String()
}
