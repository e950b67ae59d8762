package appstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/internal/keylock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

// readBudget bounds all reads of one call together; a write has the backend's
// own deadline on top.
const readBudget = 10 * time.Second

// MaxCall is the longest that Set.Call may take over a backend.Client with the
// default deadlines: a submission that waits for its turn, reads and writes.
// Whoever replaces a configuration waits this long for its calls, because a
// write that was sent must be seen to its end.
const MaxCall = lockWait + readBudget + backend.DefaultWriteDeadline

// Backend carries requests to the App Store; *backend.Client is one. Its errors
// are *backend.Error.
type Backend interface {
	Do(ctx context.Context, r *backend.Request) ([]byte, error)
	CurrentUser(ctx context.Context, p backend.Person) (backend.User, error)
}

// Config is what a Set needs.
type Config struct {
	Backend Backend      // required
	Log     *slog.Logger // default slog.Default()
}

// Set is the toolset. It is safe for concurrent use.
type Set struct {
	backend Backend
	log     *slog.Logger
	tools   []toolset.Tool
	entries map[string]*entry
	locks   keylock.Locks // submissions under way: one person's for one app each
}

var _ toolset.Set = (*Set)(nil)

// entry is one tool with what runs it.
type entry struct {
	toolset.Tool
	input *jsonschema.Resolved
	run   runner
}

// runner decodes the arguments of a call and makes it. The intent is returned
// whatever becomes of the call.
type runner func(ctx context.Context, s *Set, c *call, input *jsonschema.Resolved, raw []byte) (a answer, intent string, err error)

// answer is a call that succeeded.
type answer struct {
	view    any    // one of the types of the output schemas
	target  string // the backend's id of what was read or changed
	outcome string // of a write
}

// bind makes a runner of a method that takes the typed arguments A.
func bind[A any, P interface {
	*A
	typed
}](method func(*Set, context.Context, *call, P) (answer, error)) runner {
	return func(ctx context.Context, s *Set, c *call, input *jsonschema.Resolved, raw []byte) (answer, string, error) {
		args := P(new(A))
		if err := arguments.Decode(input, raw, args); err != nil {
			return answer{}, "", fault.Mismatch(err)
		}
		a, err := method(s, ctx, c, args)
		return a, result.Text(args.intent(), arguments.MaxIntent), err
	}
}

// New returns the toolset. It fails if a required field is missing; an error
// about a schema is a fault of this package.
func New(cfg Config) (*Set, error) {
	if cfg.Backend == nil {
		return nil, errors.New("appstore: backend is required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Set{backend: cfg.Backend, log: cfg.Log, entries: make(map[string]*entry)}
	for _, d := range definitions {
		input, err := arguments.Compile(d.input)
		if err != nil {
			return nil, fmt.Errorf("appstore: input of %s: %w", d.name, err)
		}
		if _, err := arguments.Compile(d.output); err != nil {
			return nil, fmt.Errorf("appstore: output of %s: %w", d.name, err)
		}
		tool := toolset.Tool{
			Name: d.name, Title: d.title, Description: d.description,
			InputSchema: json.RawMessage(d.input), OutputSchema: json.RawMessage(d.output),
			Annotations: d.annotations, Need: d.need,
		}
		s.tools = append(s.tools, tool)
		s.entries[d.name] = &entry{Tool: tool, input: input, run: d.run}
	}
	return s, nil
}

// List implements toolset.Set.
func (s *Set) List() []toolset.Tool { return s.tools }

// Call implements toolset.Set.
func (s *Set) Call(ctx context.Context, tc *toolset.Call) toolset.Result {
	e, ok := s.entries[tc.Tool]
	if !ok {
		return fault.New(fault.UnknownTool, "There is no tool of this name. Call tools/list.").Result()
	}
	if tc.Principal == nil {
		return fault.New(fault.Internal, "The gateway failed. %s", fault.SayTellUser).Result()
	}
	if !e.Need.Write {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readBudget)
		defer cancel()
	}
	c := newCall(tc, e.Need)
	a, intent, err := e.run(ctx, s, c, e.input, tc.Arguments)
	r := s.finish(ctx, e, c, a, err)
	r.Intent = intent
	return r
}

// finish turns what a tool returned into the result of the call.
func (s *Set) finish(ctx context.Context, e *entry, c *call, a answer, err error) toolset.Result {
	if err != nil {
		words := wordsOf(e.Name)
		f := words.Of(err)
		if e.Need.Write {
			f = words.OfWrite(err)
		} else {
			f.Outcome = ""
		}
		if f.Ours() {
			s.log.ErrorContext(ctx, "tool failed", "tool", e.Name, "code", f.Code, "request_id", c.person.TXN, "error", err)
		}
		r := f.Result()
		r.TargetResourceID = a.target
		return r
	}
	structured, err := result.Encode(a.view)
	if err != nil {
		s.log.ErrorContext(ctx, "encoding a result", "tool", e.Name, "request_id", c.person.TXN, "error", err)
		r := fault.New(fault.Internal, "The gateway could not return the result. %s", sayCheckRequest).Result()
		r.TargetResourceID, r.WriteOutcome = a.target, a.outcome
		return r
	}
	return toolset.Result{Structured: structured, TargetResourceID: a.target, WriteOutcome: a.outcome}
}

// definition is one line of the table of tools.
type definition struct {
	name, title, description string
	input, output            string
	annotations              toolset.Annotations
	need                     mcpbridge.Need
	run                      runner
}
