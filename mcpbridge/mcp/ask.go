package mcp

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

const (
	// stateLifetime is how long a person may take to choose.
	stateLifetime = 10 * time.Minute
	// maxState bounds the state that a client sends back, in bytes. Ours are
	// shorter.
	maxState = 16 << 10
	// maxChoices is how many questions one call may ask.
	maxChoices = 8
)

// Stable codes of calls that end at a question.
const (
	// CodeInputRequired: the person is asked; it is in the audit trail only.
	CodeInputRequired = "input_required"
	// CodeDeclined: the person was asked and did not choose.
	CodeDeclined = "declined"
)

// Sealer encrypts and authenticates what a client keeps for us. What is sealed
// for one purpose does not open for another.
type Sealer interface {
	Seal(purpose string, plain []byte) string
	// Open returns what Seal sealed for that purpose, or an error.
	Open(purpose, sealed string) ([]byte, error)
}

// state is what a client carries from a question to the retry of its call (MCP
// 2026-07-28, multi round-trip requests). Whom and which call it belongs to is in
// the purpose for which it is sealed.
type state struct {
	Ends int64 `json:"ends"` // Unix seconds
	// Exchange names all rounds of one call, so that their write is sent once.
	Exchange string `json:"exchange"`
	// Asked is the argument that the last question was about, List whether it is
	// an array but one value was asked for.
	Asked string `json:"asked"`
	List  bool   `json:"list,omitzero"`
	// Field is what the form of the last question calls the argument, if not so.
	Field string `json:"field,omitzero"`
	// Chosen are the answers to the questions before.
	Chosen []choice `json:"chosen,omitzero"`
}

// choice is an argument that a person chose.
type choice struct {
	Argument string         `json:"argument"`
	Value    jsontext.Value `json:"value"`
}

// retry is what a call brings of the rounds before it.
type retry struct {
	exchange string
	chosen   []choice
	declined bool
}

// canAsk reports whether the client declared that it can ask a person by a form.
// An empty object says so too (MCP 2026-07-28, elicitation). A client that did
// not declare it must never be asked.
func canAsk(capabilities jsontext.Value) bool {
	var elicitation [1]jsontext.Value
	if !jsonrpc.Members(capabilities, []string{"elicitation"}, elicitation[:]) || elicitation[0].Kind() != '{' {
		return false
	}
	var modes [2]jsontext.Value
	jsonrpc.Members(elicitation[0], []string{"form", "url"}, modes[:])
	return modes[0].Kind() == '{' || modes[0] == nil && modes[1] == nil
}

// resume reads the state and the answers of a retried call. Answers without a
// state are nobody's, and are ignored like all that is not known.
func (x *exchange) resume(tool *toolset.Tool, arguments jsontext.Value) (retry, *refusal) {
	if x.era != modern || x.states == nil || x.params[paramState] == nil {
		return retry{}, nil
	}
	sealed, isText := jsonrpc.Unquote(x.params[paramState])
	if !isText || len(sealed) > maxState {
		return retry{}, x.badState()
	}
	plain, err := x.states.Open(statePurpose(x.principal, tool.Name, arguments), string(sealed))
	if err != nil {
		return retry{}, x.badState()
	}
	var s state
	if err := json.Unmarshal(plain, &s); err != nil || x.clock.Now().Unix() >= s.Ends {
		return retry{}, x.badState()
	}
	r := retry{exchange: s.Exchange, chosen: s.Chosen}
	var response [1]jsontext.Value
	switch responses := x.params[paramResponses]; {
	case responses == nil:
		return r, nil // it is asked again
	case !jsonrpc.Members(responses, []string{s.Asked}, response[:]):
		return retry{}, x.fault(jsonrpc.CodeInvalidParams, "params.inputResponses must be an object.")
	case response[0] == nil:
		return r, nil
	}
	return r, x.readResponse(&r, &s, response[0])
}

// readResponse takes the answer to the question of s, an ElicitResult. Whether
// the value may be chosen is the tool's to say, as for every argument.
func (x *exchange) readResponse(r *retry, s *state, response jsontext.Value) *refusal {
	malformed := x.fault(jsonrpc.CodeInvalidParams, "An answer in params.inputResponses is not the result of an elicitation.")
	var result [2]jsontext.Value
	if !jsonrpc.Members(response, []string{"action", "content"}, result[:]) {
		return malformed
	}
	action, _ := jsonrpc.Unquote(result[0])
	switch string(action) {
	case "decline", "cancel":
		r.declined = true
		return nil
	case "accept":
	default:
		return malformed
	}
	var value [1]jsontext.Value
	if result[1] != nil && !jsonrpc.Members(result[1], []string{cmp.Or(s.Field, s.Asked)}, value[:]) {
		return malformed
	}
	if value[0] == nil || value[0].Kind() == 'n' {
		return nil
	}
	chosen := value[0].Clone()
	if s.List && chosen.Kind() != '[' {
		chosen = append(append(jsontext.Value{'['}, chosen...), ']')
	}
	r.chosen = append(r.chosen, choice{s.Asked, chosen})
	return nil
}

// badState is one answer for all that can be wrong with a state, so that nobody
// learns which of it was right.
func (x *exchange) badState() *refusal {
	return x.fault(jsonrpc.CodeInvalidParams, "params.requestState is not of this call, or its time is over. Start over without it.")
}

// statePurpose binds a state to the person, their grant, the tool and the
// arguments, however those are written.
func statePurpose(p *mcpbridge.Principal, tool string, arguments jsontext.Value) string {
	canonical := arguments.Clone()
	_ = canonical.Canonicalize() // RFC 8785; the frame was parsed, so it is valid JSON
	h := sha256.New()
	for _, part := range []string{p.DomainID, p.UserID, p.Email, p.ClientID, p.GrantID, p.Resource, tool, string(canonical)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return "mcp request state\x00" + base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// with returns the arguments with what the person chose. An argument that the
// call has itself is not chosen.
func (r *retry) with(arguments jsontext.Value) jsontext.Value {
	if len(r.chosen) == 0 {
		return arguments
	}
	// The last byte closes the object: values have no space around them.
	open := bytes.TrimRight(arguments[:len(arguments)-1], " \t\r\n")
	open = append(make(jsontext.Value, 0, 2*len(arguments)), open...)
	for _, c := range r.chosen {
		var own [1]jsontext.Value
		if jsonrpc.Members(arguments, []string{c.Argument}, own[:]); own[0] != nil {
			continue
		}
		if len(open) > 1 {
			open = append(open, ',')
		}
		open = append(jsonrpc.AppendString(open, c.Argument), ':')
		open = append(open, c.Value...)
	}
	return append(open, '}')
}

// declinedResult answers for a person who was asked and did not choose.
func declinedResult() toolset.Result {
	return toolset.Result{
		IsError: true, Code: CodeDeclined,
		Text: "The user was asked to choose and did not. Nothing was sent. Do not ask again unless the user wants to go on.",
	}
}

// asks reports whether the person is asked for what a result lacks.
func (x *exchange) asks(r *toolset.Result, before *retry) bool {
	return r.IsError && r.Ask != nil && x.era == modern && x.states != nil && x.mayAsk && len(before.chosen) < maxChoices
}

// ask answers with a question and the state of the call (MCP 2026-07-28,
// InputRequiredResult). The state holds nothing that was not in the call.
func (x *exchange) ask(tool *toolset.Tool, arguments jsontext.Value, a *toolset.Ask, before *retry) {
	s := state{
		Ends: x.clock.Now().Add(stateLifetime).Unix(), Exchange: before.exchange,
		Asked: a.Argument, List: a.List, Field: a.Field, Chosen: before.chosen,
	}
	if s.Exchange == "" {
		s.Exchange = rand.Text()
	}
	plain, err := json.Marshal(s)
	if err != nil {
		x.log.ErrorContext(x.r.Context(), "encoding the state of a call", "tool", tool.Name, "error", err)
		x.refuse(unavailable())
		return
	}
	field := cmp.Or(a.Field, a.Argument)
	b := jsonrpc.BeginResult(make([]byte, 0, 1024+128*len(a.Options)), x.msg.ID)
	b = append(b, `{"resultType":"input_required","inputRequests":{`...)
	b = jsonrpc.AppendString(b, a.Argument)
	b = append(b, `:{"method":"elicitation/create","params":{"mode":"form","message":`...)
	b = jsonrpc.AppendString(b, a.Text)
	b = append(b, `,"requestedSchema":{"type":"object","properties":{`...)
	b = append(jsonrpc.AppendString(b, field), ':')
	b = appendField(b, a)
	b = append(b, `},"required":[`...)
	b = append(jsonrpc.AppendString(b, field), `]}}}},"requestState":`...)
	b = jsonrpc.AppendString(b, x.states.Seal(statePurpose(x.principal, tool.Name, arguments), plain))
	b = append(append(b, ','), x.catalog.serverMeta...)
	x.write(http.StatusOK, jsonrpc.EndResult(append(b, '}')))
}

// appendField appends the schema of what is asked for (MCP 2026-07-28,
// elicitation).
func appendField(b []byte, a *toolset.Ask) []byte {
	switch a.Kind {
	case toolset.AskText:
		b = append(b, `{"type":"string","minLength":1`...)
		if a.Most > 0 {
			b = strconv.AppendInt(append(b, `,"maxLength":`...), int64(a.Most), 10)
		}
		return append(b, '}')
	case toolset.AskYesNo:
		return append(b, `{"type":"boolean"}`...)
	default:
		return appendChoice(b, a)
	}
}

// appendChoice appends the enum schema of a question (MCP 2026-07-28,
// elicitation): titled, because values may be ids that say nothing to a person.
func appendChoice(b []byte, a *toolset.Ask) []byte {
	several := a.List && a.Most > 1
	if several {
		b = append(b, `{"type":"array","minItems":1,"maxItems":`...)
		b = strconv.AppendInt(b, int64(a.Most), 10)
		b = append(b, `,"items":{"anyOf":[`...)
	} else {
		b = append(b, `{"type":"string","oneOf":[`...)
	}
	for i, o := range a.Options {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonrpc.AppendString(append(b, `{"const":`...), o.Value)
		b = jsonrpc.AppendString(append(b, `,"title":`...), o.Title)
		b = append(b, '}')
	}
	if several {
		return append(b, `]}}`...)
	}
	return append(b, `]}`...)
}
