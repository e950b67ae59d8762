package mcp

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// handler serves one endpoint. It holds nothing about earlier requests.
type handler struct {
	gate       mcpbridge.Gate
	limiter    mcpbridge.Limiter // nil: nothing is limited
	tools      toolset.Set
	catalog    *catalog
	challenges *challenger
	origins    map[string]bool
	maxBody    int64
	clock      clock.Clock
	log        *slog.Logger
	trail      *trail
	states     Sealer // nil: nobody is asked
}

// exchange is one request on its way to its answer.
type exchange struct {
	*handler
	w         http.ResponseWriter
	r         *http.Request
	requestID string
	start     time.Time

	principal *mcpbridge.Principal
	counted   bool // by the limiter, or refused by it
	bodyRead  bool // to its end
	msg       jsonrpc.Message
	params    [len(paramNames)]jsontext.Value
	era       era
	mayAsk    bool // the client can ask the person
}

// ServeHTTP takes the steps in the one order that keeps each safe: nothing is
// read from the body before the caller is known, and nothing is decided before
// headers and body agree.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{handler: h, w: w, r: r, requestID: httpx.RequestID(r.Context()), start: h.clock.Now()}
	if x.requestID == "" {
		x.requestID = rand.Text()
	}
	commonHeaders(w.Header(), x.requestID)

	if no := x.checkSource(); no != nil {
		x.refuse(no)
		return
	}
	if r.Method == http.MethodOptions {
		x.preflight()
		return
	}
	if no := x.authenticate(); no != nil {
		x.refuse(no)
		return
	}
	if no := x.readMessage(); no != nil {
		x.refuse(no)
		return
	}
	if no := x.agree(); no != nil {
		x.refuse(no)
		return
	}
	x.dispatch()
}

// authenticate finds out who calls. GET and DELETE, which older clients try,
// get their challenge first and the 405 only with a token: it is by a 401 that
// clients learn where to sign in.
func (x *exchange) authenticate() *refusal {
	notAllowed := &refusal{
		status: http.StatusMethodNotAllowed, code: jsonrpc.CodeInvalidRequest, allow: http.MethodPost,
		message: "Only POST is served: there are no streams and no sessions here.",
	}
	switch x.r.Method {
	case http.MethodPost, http.MethodGet, http.MethodHead, http.MethodDelete:
	default:
		return notAllowed
	}
	token, no := x.bearer()
	if no != nil {
		return no
	}
	principal, err := x.gate.Authenticate(x.r.Context(), token)
	switch {
	case errors.Is(err, mcpbridge.ErrInvalidToken):
		return x.challenges.invalidToken(reasonOf(err))
	case err != nil || principal == nil:
		if x.r.Context().Err() == nil { // else the client left, which is no fault
			x.log.WarnContext(x.r.Context(), "a token could not be checked", "request_id", x.requestID, "error", err)
		}
		return unavailable()
	}
	x.principal = principal
	if x.r.Method != http.MethodPost {
		return notAllowed
	}
	return nil
}

// reasonOf asks an error of the gate for the layer that refused. A gate that
// does not tell is read as: no such grant.
func reasonOf(err error) reason.Reason {
	var told interface{ Reason() reason.Reason }
	if errors.As(err, &told) && told.Reason() != reason.None {
		return told.Reason()
	}
	return reason.GrantUnknown
}

// dispatch runs the method. Anything that is not listed does not exist in that
// era (MCP 2026-07-28, basic/versioning); the removed methods get no special case.
func (x *exchange) dispatch() {
	if !x.msg.HasID {
		x.notification()
		return
	}
	// These two decide first who may see and do what.
	switch x.msg.Method {
	case "tools/call":
		x.callTool()
		return
	case "tools/list":
		x.listTools()
		return
	}
	if no := x.count(false); no != nil {
		x.refuse(no)
		return
	}
	switch {
	case x.era == modern && x.msg.Method == "server/discover":
		x.result(x.catalog.discover)
	case x.era == legacy && x.msg.Method == "initialize":
		x.initialize()
	case x.era == legacy && x.msg.Method == "ping":
		x.result([]byte(`{}`))
	default:
		x.refuse(x.fault(jsonrpc.CodeMethodNotFound, "This method is not served."))
	}
}

// result answers with an encoded result.
func (x *exchange) result(result []byte) {
	x.write(http.StatusOK, jsonrpc.AppendResult(make([]byte, 0, len(result)+len(x.msg.ID)+64), x.msg.ID, result))
}
