package mcp

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

// era is one of the two forms of the protocol that share the URL.
type era int

const (
	legacy era = iota // 2025-03-26 … 2025-11-25: a handshake first
	modern            // since 2026-07-28: every request describes itself
)

// Revisions of the protocol, newest first.
const modernRevision = "2026-07-28"

var (
	legacyRevisions = []string{"2025-11-25", "2025-06-18", "2025-03-26"}
	modernRevisions = []string{modernRevision}
)

// maxVersion bounds the one piece of input that an answer repeats, in bytes.
const maxVersion = 64

// Keys of _meta (MCP 2026-07-28, basic).
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaServerInfo   = "io.modelcontextprotocol/serverInfo"
)

// The members of params that any method reads, and their places in
// exchange.params.
var paramNames = [...]string{"_meta", "name", "arguments", "cursor", "protocolVersion", "inputResponses", "requestState"}

const (
	paramMeta = iota
	paramName
	paramArguments
	paramCursor
	paramVersion
	paramResponses
	paramState
)

var metaNames = [...]string{metaVersion, metaCapabilities}

// agree finds the era and refuses a request whose headers say something else
// than its body. It comes before any decision: a proxy in front may have routed
// or limited by those headers (MCP 2026-07-28, transports, header validation).
func (x *exchange) agree() *refusal {
	var meta [len(metaNames)]jsontext.Value
	if x.msg.Params != nil {
		// The frame was parsed, so params is valid JSON.
		jsonrpc.Members(x.msg.Params, paramNames[:], x.params[:])
	}
	if x.params[paramMeta].Kind() == '{' {
		jsonrpc.Members(x.params[paramMeta], metaNames[:], meta[:])
	}
	var sent mirrored
	if no := sent.read(x.r.Header); no != nil {
		return no
	}
	inMeta, isText := jsonrpc.Unquote(meta[0])
	switch {
	case meta[0] != nil && isText && string(inMeta) == sent.version && slices.Contains(legacyRevisions, sent.version):
		// Says twice that it is an older revision; those know nothing of _meta.
		return x.agreeLegacy(&sent)
	case meta[0] != nil || isModern(sent.version):
		x.era = modern
		return x.agreeModern(&sent, meta[0], meta[1])
	default:
		return x.agreeLegacy(&sent)
	}
}

// isModern tells revisions from 2026-07-28 on. They are dates, so that they
// sort as text; other text in the header is nobody's revision.
func isModern(version string) bool {
	if len(version) != len(modernRevision) || version < modernRevision {
		return false
	}
	for i := range len(version) {
		if c := version[i]; (i == 4 || i == 7) != (c == '-') || (c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// agreeModern applies the checks of MCP 2026-07-28, in its order.
func (x *exchange) agreeModern(sent *mirrored, version, capabilities jsontext.Value) *refusal {
	if sent.version == "" {
		return mismatch("The header MCP-Protocol-Version is missing.")
	}
	text, isText := jsonrpc.Unquote(version)
	if x.msg.HasID && (!isText || capabilities.Kind() != '{') {
		return x.fault(jsonrpc.CodeInvalidParams, "params._meta needs "+metaVersion+" (a string) and "+metaCapabilities+" (an object).")
	}
	if version != nil && string(text) != sent.version {
		return mismatch("MCP-Protocol-Version differs from the version in params._meta.")
	}
	if !slices.Contains(modernRevisions, sent.version) {
		return unsupportedVersion(sent.version)
	}
	if !sent.hasMethod {
		return mismatch("The header Mcp-Method is missing.")
	}
	if x.msg.Method == "tools/call" && !sent.hasName {
		return mismatch("The header Mcp-Name is missing.")
	}
	x.mayAsk = canAsk(capabilities)
	return x.agreeMirrored(sent)
}

// agreeLegacy accepts requests without any of the headers, as revision
// 2025-03-26 sends them. Those that are there must be true in this era too.
func (x *exchange) agreeLegacy(sent *mirrored) *refusal {
	x.era = legacy
	// The version is negotiated by initialize, so it cannot be wrong before.
	if sent.version != "" && x.msg.Method != "initialize" && !slices.Contains(legacyRevisions, sent.version) {
		return unsupportedVersion(sent.version)
	}
	return x.agreeMirrored(sent)
}

func (x *exchange) agreeMirrored(sent *mirrored) *refusal {
	if sent.hasMethod && sent.method != x.msg.Method {
		return mismatch("Mcp-Method differs from the method of the body.")
	}
	if !sent.hasName || x.msg.Method != "tools/call" {
		return nil
	}
	name, ok := jsonrpc.Unquote(x.params[paramName])
	if !ok {
		return x.fault(jsonrpc.CodeInvalidParams, "params.name must be a string.")
	}
	if sent.name != string(name) {
		return mismatch("Mcp-Name differs from the name in params.")
	}
	return nil
}

// mirrored is what the headers say about the body.
type mirrored struct {
	version, method, name string
	hasMethod, hasName    bool
}

// read takes the headers. One that is there twice, or holds what a header must
// not, is refused: it could be read in two ways.
func (m *mirrored) read(h http.Header) *refusal {
	var ok bool
	if m.version, _, ok = single(h["Mcp-Protocol-Version"]); !ok || len(m.version) > maxVersion {
		return mismatch("The header MCP-Protocol-Version is malformed or repeated.")
	}
	if m.method, m.hasMethod, ok = single(h["Mcp-Method"]); !ok {
		return mismatch("The header Mcp-Method is malformed or repeated.")
	}
	if m.name, m.hasName, ok = single(h["Mcp-Name"]); ok {
		m.name, ok = decodeName(m.name)
	}
	if !ok {
		return mismatch("The header Mcp-Name is malformed or repeated.")
	}
	return nil
}

// single returns the one value of a header, trimmed, and whether there is one.
// It is not ok if there are several or the value has other than printable ASCII.
func single(values []string) (value string, present, ok bool) {
	switch len(values) {
	case 0:
		return "", false, true
	case 1:
		value = strings.Trim(values[0], " \t")
		return value, true, !strings.ContainsFunc(value, func(c rune) bool { return (c < 0x20 && c != '\t') || c > 0x7e })
	default:
		return "", true, false
	}
}

// decodeName decodes the form in which names travel that a header cannot hold:
// =?base64?…?= (MCP 2026-07-28, transports). The markers are case-sensitive.
func decodeName(s string) (string, bool) {
	encoded, ok := strings.CutPrefix(s, "=?base64?")
	if !ok {
		return s, true
	}
	if encoded, ok = strings.CutSuffix(encoded, "?="); !ok {
		return "", false
	}
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return string(text), err == nil && utf8.Valid(text)
}

func mismatch(message string) *refusal { return invalid(jsonrpc.CodeHeaderMismatch, message) }

// unsupportedVersion lists what is served, older revisions too: a client that
// knows one of them starts over with initialize.
func unsupportedVersion(requested string) *refusal {
	data := appendRevisions([]byte(`{"supported":`))
	data = append(data, `,"requested":`...)
	data = append(jsonrpc.AppendString(data, requested), '}')
	no := invalid(jsonrpc.CodeUnsupportedVersion, "This protocol version is not served.")
	no.data = data
	return no
}

// appendRevisions appends all revisions as a JSON array, newest first.
func appendRevisions(dst []byte) []byte {
	sep := byte('[')
	for _, revision := range slices.Concat(modernRevisions, legacyRevisions) {
		dst = jsonrpc.AppendString(append(dst, sep), revision)
		sep = ','
	}
	return append(dst, ']')
}
