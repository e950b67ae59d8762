package appstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/keylock"
	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/idempotency"
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
	Backend Backend // required
	// Ledger remembers the writes that clients name by an idempotency key; required.
	Ledger mcpbridge.Ledger
	// Locks are shared by all sets of a process that write to one backend, so that
	// a call waits for one that began under another configuration; default: own ones.
	Locks *keylock.Locks
	Clock clock.Clock  // default clock.System
	Log   *slog.Logger // default slog.Default()
}

// Set is the toolset. It is safe for concurrent use.
type Set struct {
	backend Backend
	clock   clock.Clock
	log     *slog.Logger
	tools   []toolset.Tool
	entries map[string]*entry
	locks   *keylock.Locks // submissions under way: one person's for one app each
	once    *idempotency.Once
}

var _ toolset.Set = (*Set)(nil)

// entry is one tool with what runs it.
type entry struct {
	toolset.Tool
	definition
	input *jsonschema.Resolved
}

// runner makes the calls of one tool.
type runner struct {
	// read decodes the arguments. Its error is for the model that wrote them.
	read func(input *jsonschema.Resolved, raw []byte) (typed, error)
	run  func(ctx context.Context, s *Set, c *call, args typed) (answer, error)
}

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
	return runner{
		read: func(input *jsonschema.Resolved, raw []byte) (typed, error) {
			args := P(new(A))
			if err := arguments.Decode(input, raw, args); err != nil {
				return nil, fault.Mismatch(err)
			}
			return args, nil
		},
		run: func(ctx context.Context, s *Set, c *call, args typed) (answer, error) {
			return method(s, ctx, c, args.(P))
		},
	}
}

// New returns the toolset. It fails if a required field is missing; an error
// about a schema is a fault of this package.
func New(cfg Config) (*Set, error) {
	if cfg.Backend == nil || cfg.Ledger == nil {
		return nil, errors.New("appstore: backend and ledger are required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Locks == nil {
		cfg.Locks = new(keylock.Locks)
	}
	s := &Set{
		backend: cfg.Backend, clock: cfg.Clock, log: cfg.Log, entries: make(map[string]*entry),
		locks: cfg.Locks, once: idempotency.New(cfg.Ledger, cfg.Locks, cfg.Log),
	}
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
		s.entries[d.name] = &entry{Tool: tool, definition: d, input: input}
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
	args, err := e.runner.read(e.input, tc.Arguments)
	if err != nil {
		return s.finish(ctx, e, c, answer{}, err)
	}
	var r toolset.Result
	if id, ok := writeID(tc, args); ok {
		r = s.runOnce(ctx, e, c, args.(namedWrite), id)
	} else {
		r = s.run(ctx, e, c, args)
	}
	r.Intent = result.Text(args.intent(), arguments.MaxIntent)
	return r
}

// run makes the call.
func (s *Set) run(ctx context.Context, e *entry, c *call, args typed) toolset.Result {
	a, err := e.runner.run(ctx, s, c, args)
	return s.finish(ctx, e, c, a, err)
}

// finish turns what a tool returned into the result of the call.
func (s *Set) finish(ctx context.Context, e *entry, c *call, a answer, err error) toolset.Result {
	if err != nil {
		words := wordsOf(e.Name, c.keyed)
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
	if v, ok := a.view.(interface{ shorten() }); ok && len(structured) > maxWritten {
		v.shorten()
		structured, err = result.Encode(a.view)
	}
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
	runner                   runner
	// find finds out what became of a write that was sent and never answered: the
	// answer to it, or an error that is errNotFound where it is not there.
	find func(ctx context.Context, s *Set, c *call, args typed, sent time.Time) (answer, error)
}
