package openapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

// MaxCall is the longest that Set.Call may take over a backend.Client with the
// default deadlines: one exchange.
const MaxCall = backend.DefaultWriteDeadline

// Backend carries requests; *backend.Client is one. Its errors are
// *backend.Error.
type Backend interface {
	Exchange(ctx context.Context, r *backend.Request) (backend.Answer, error)
}

// Config is what a Set needs.
type Config struct {
	// Title names the backend to people and models; default "The backend".
	Title   string
	Tools   []*Tool      // required
	Backend Backend      // required
	Log     *slog.Logger // default slog.Default()
}

// Set is a toolset. It is safe for concurrent use.
type Set struct {
	backend Backend
	log     *slog.Logger
	words   fault.Words
	list    []toolset.Tool
	tools   map[string]*Tool
}

var _ toolset.Set = (*Set)(nil)

// New returns the toolset of tools that have different names.
func New(cfg Config) (*Set, error) {
	if cfg.Backend == nil || len(cfg.Tools) == 0 {
		return nil, errors.New("openapi: a backend and tools are required")
	}
	s := &Set{
		backend: cfg.Backend, log: cfg.Log, tools: make(map[string]*Tool, len(cfg.Tools)),
		words: fault.Words{
			Backend: cmp.Or(cfg.Title, "The backend"),
			Missing: "Check the ids among the arguments.",
			Check:   "It may or may not have been done. Do not call again before you have looked: read what it would have made or changed, then tell the user.",
		},
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	for _, t := range cfg.Tools {
		if s.tools[t.Name()] != nil {
			return nil, fmt.Errorf("openapi: two tools have the name %s", t.Name())
		}
		s.tools[t.Name()] = t
		s.list = append(s.list, t.tool)
	}
	return s, nil
}

// List implements toolset.Set.
func (s *Set) List() []toolset.Tool { return s.list }

// Call implements toolset.Set: one call is one request, which is never repeated.
func (s *Set) Call(ctx context.Context, c *toolset.Call) toolset.Result {
	t := s.tools[c.Tool]
	if t == nil {
		return fault.New(fault.UnknownTool, "There is no tool of this name. Call tools/list.").Result()
	}
	if c.Principal == nil {
		return fault.New(fault.Internal, "The gateway failed. %s", fault.SayTellUser).Result()
	}
	in, err := t.read(c.Arguments)
	if err != nil {
		r := s.failed(ctx, t, c, fault.Mismatch(err))
		r.Intent = in.intent
		return r
	}
	need, p := t.tool.Need, c.Principal
	in.request.Person = backend.Person{
		Email: p.Email, Domain: p.DomainID, Subject: p.UserID, ClientID: p.ClientID, TXN: c.RequestID,
	}
	in.request.Scope, in.request.Permissions = need.Scope, []string{need.Permission}
	r := s.exchange(ctx, t, c, &in)
	r.Intent, r.TargetResourceID = in.intent, cmp.Or(r.TargetResourceID, in.target)
	return r
}

// exchange sends the request and shapes the answer.
func (s *Set) exchange(ctx context.Context, t *Tool, c *toolset.Call, in *input) toolset.Result {
	answer, err := s.backend.Exchange(ctx, &in.request)
	switch { // what no schema says of them; nothing was sent
	case errors.Is(err, backend.ErrQuery):
		err = fault.Mismatch(errors.New("together they are longer than an address may be; send less"))
	case errors.Is(err, backend.ErrSegment), errors.Is(err, backend.ErrHeader):
		err = fault.Mismatch(errors.New("a value cannot be sent in its place"))
	}
	if err != nil {
		return s.failed(ctx, t, c, err)
	}
	var r toolset.Result
	if t.tool.Need.Write {
		r.WriteOutcome = outcomeOf(t.method, answer.Status)
		r.Text = sentence(answer.Status, r.WriteOutcome)
		if t.method == http.MethodPost {
			r.TargetResourceID = identifier(answer.Body)
		}
	}
	if t.output == nil {
		return r
	}
	if answer.Body == nil {
		r.Structured = []byte(`{}`)
		return r
	}
	content, cut, err := t.output.structured(answer.Body)
	if err != nil {
		// A write has most likely been made, but what was made is not known.
		return s.failed(ctx, t, c, &backend.Error{Kind: backend.BadAnswer, Status: answer.Status, OutcomeUnknown: t.tool.Need.Write, Cause: err})
	}
	r.Structured = content
	if cut > 0 {
		if r.Text != "" {
			r.Text += " "
		}
		r.Text += fmt.Sprintf("The answer is longer than fits: %d parts of it were left out. Ask for less at once, for example for a smaller page.", cut)
	}
	return r
}

// failed returns the result of a call that failed.
func (s *Set) failed(ctx context.Context, t *Tool, c *toolset.Call, err error) toolset.Result {
	f := s.words.Of(err)
	if t.tool.Need.Write {
		f = s.words.OfWrite(err)
	} else {
		f.Outcome = ""
	}
	if f.Ours() {
		s.log.ErrorContext(ctx, "tool failed", "tool", t.Name(), "code", f.Code, "request_id", c.RequestID, "error", err)
	}
	return f.Result()
}

// outcomeOf names what a successful write did: 201 says that something was
// created (RFC 9110 §15.3.2); every other success changed what was there.
func outcomeOf(method string, status int) string {
	if status == http.StatusCreated && method != http.MethodDelete {
		return fault.Created
	}
	return fault.Updated
}

// sentence says a write's outcome to the model.
func sentence(status int, outcome string) string {
	switch {
	case status == http.StatusAccepted:
		return "The backend accepted this and may finish it later."
	case outcome == fault.Created:
		return "Done: it was created."
	}
	return "Done."
}
