package mcp

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

// maxToken bounds what is handed to the gate; our tokens are far shorter.
const maxToken = 4096

// checkSource refuses web pages that are not allowed before anything else, so
// that a page which rebinds its name to this server learns nothing from it
// (MCP, security warning of the Streamable HTTP transport). Which host names
// are served is the outermost layer's to say.
func (x *exchange) checkSource() *refusal {
	h := x.w.Header()
	if len(x.origins) > 0 {
		h.Add("Vary", "Origin")
	}
	if origins, ok := x.r.Header["Origin"]; ok {
		if len(origins) != 1 || !x.origins[origins[0]] {
			return &refusal{
				status: http.StatusForbidden, code: jsonrpc.CodeForbidden, message: "Web pages of this origin are not allowed.",
				reason: reason.ClientBadOrigin, errorCode: "origin_not_allowed", data: oauthData("", "", reason.ClientBadOrigin),
			}
		}
		// Never with credentials: tokens travel in a header, there are no cookies.
		h.Set("Access-Control-Allow-Origin", origins[0])
		h.Set("Access-Control-Expose-Headers", exposedHeaders)
	}
	return nil
}

// Headers of CORS (Fetch standard). GET and DELETE are allowed so that browser
// clients which try them can read the 401 or 405.
const (
	exposedHeaders = "WWW-Authenticate, Retry-After, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Mcp-Session-Id"
	allowedHeaders = "Authorization, Content-Type, Accept, Mcp-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID"
	allowedMethods = "POST, GET, DELETE"
)

// preflight answers OPTIONS. Browsers send it without the token, so it needs
// none; checkSource has refused foreign origins.
func (x *exchange) preflight() {
	h := x.w.Header()
	h.Set("Allow", http.MethodPost)
	if _, ok := x.r.Header["Origin"]; ok {
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", "600")
	}
	x.empty(http.StatusNoContent)
}

// bearer reads the token from the Authorization header, the only place where
// one is looked for (RFC 6750 §2.1; OAuth 2.1 forbids the query string).
func (x *exchange) bearer() (string, *refusal) {
	values := x.r.Header["Authorization"]
	if len(values) > 1 {
		// Two parsers could pick different ones.
		return "", &refusal{
			status: http.StatusBadRequest, code: jsonrpc.CodeInvalidRequest, message: "There is more than one Authorization header.",
			reason: reason.ClientBadRequest, errorCode: "invalid_request", data: oauthData("invalid_request", "", reason.ClientBadRequest),
		}
	}
	if len(values) == 0 {
		return "", x.challenges.noToken
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", x.challenges.noToken
	}
	if len(token) > maxToken || strings.ContainsFunc(token, notTokenChar) {
		return "", x.challenges.invalidToken(reason.GrantUnknown)
	}
	return token, nil
}

// notTokenChar reports what cannot be in a bearer token (b64token, RFC 6750 §2.1).
func notTokenChar(c rune) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return false
	default:
		return !strings.ContainsRune("-._~+/=", c)
	}
}

// readMessage reads and parses the body. Accept is not looked at: the answer is
// JSON in any case, and clients get that header wrong.
func (x *exchange) readMessage() *refusal {
	if !jsonBody(x.r.Header) {
		return &refusal{status: http.StatusUnsupportedMediaType, code: jsonrpc.CodeInvalidRequest, message: "The content type must be application/json in UTF-8, without a content encoding."}
	}
	body, err := x.readBody()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, code: jsonrpc.CodeInvalidRequest, message: "The body is too large."}
	case err != nil:
		return invalid(jsonrpc.CodeParseError, "The body could not be read.")
	}
	msg, fault := jsonrpc.Parse(body)
	x.msg = msg
	if fault != nil {
		return invalid(fault.Code, fault.Message)
	}
	return nil
}

// jsonBody reports whether the body is announced as what is parsed. RFC 8259
// defines no charset and asks for UTF-8 (§8.1, §11): one that says so too is
// served; another is refused, because whoever reads the body by it, a filter in
// front of this server for one, reads another message than we do.
func jsonBody(h http.Header) bool {
	if encodings := h["Content-Encoding"]; len(encodings) > 0 && (len(encodings) > 1 || !strings.EqualFold(encodings[0], "identity")) {
		return false // a small body could unpack to a huge one
	}
	types := h["Content-Type"]
	if len(types) != 1 {
		return false
	}
	if types[0] == "application/json" {
		return true
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil || mediaType != "application/json" {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}

// readBody reads to the end, which net/http needs to see before it tells us
// that a client disconnected. The buffer is not pooled: tools see parts of it,
// and one that kept such a part must not see another person's request later.
func (x *exchange) readBody() ([]byte, error) {
	if x.r.ContentLength > x.maxBody {
		return nil, &http.MaxBytesError{Limit: x.maxBody}
	}
	// What is announced is believed only so far.
	const most = 32 << 10
	buf := make([]byte, 0, min(max(x.r.ContentLength, 0), most)+512)
	body := http.MaxBytesReader(x.w, x.r.Body, x.maxBody)
	for {
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			x.bodyRead = true
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}
