package people_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const resource = "https://api.example/mcp/appstore"

var (
	ada    = store.User{ID: "ours", Domain: "acme.com", Email: "ada@acme.com"}
	family = store.Family{ID: "f1", Domain: "acme.com", UserID: "ours", Subject: "theirs", ClientID: "c", Resource: resource}

	errDown = errors.New("down")
)

// world is a checker whose backend and grants a test bends.
type world struct {
	*people.Checker
	t      testing.TB
	clock  *clock.Fake
	memory *people.Memory
	trail  audittest.Memory
	cfg    people.Config

	mu      sync.Mutex
	entry   authorize.Entry
	err     error
	hold    chan struct{} // questions wait for it
	asked   []authorize.Person
	arrived chan struct{}
	fault   error // of the store
	results []people.Result
	revoked atomic.Int32
}

func newWorld(t testing.TB) *world {
	t.Helper()
	memory, err := people.NewMemory(1000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(memory.Close)
	w := &world{
		t: t, memory: memory, clock: clock.NewFake(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)),
		entry: authorize.Entry{ID: "theirs", Active: true}, arrived: make(chan struct{}, 1000),
	}
	w.cfg = people.Config{
		Directory: w, Memory: memory, Revoke: w.revoke, Audit: &w.trail, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
		Observe: func(r people.Result) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.results = append(w.results, r)
		},
	}
	if w.Checker, err = people.New(w.cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// Lookup is the backend. Of the checker, the method is Checker.Lookup.
func (w *world) Lookup(ctx context.Context, _ string, who authorize.Person) (authorize.Entry, error) {
	w.mu.Lock()
	w.asked = append(w.asked, who)
	hold, entry, err := w.hold, w.entry, w.err
	w.mu.Unlock()
	w.arrived <- struct{}{}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return authorize.Entry{}, ctx.Err()
		}
	}
	return entry, err
}

func (w *world) revoke(ctx context.Context, userID, why string, record grant.Record) (grant.Ended, error) {
	w.mu.Lock()
	fault := w.fault
	w.mu.Unlock()
	if fault != nil {
		return grant.Ended{}, fault
	}
	if userID != ada.ID || why != "user/not_active" {
		w.t.Errorf("revoked %q for %q", userID, why)
	}
	w.revoked.Add(1)
	e := grant.Ended{User: ada, Families: []store.Family{family, {ID: "f2", Domain: "acme.com", Subject: "theirs", ClientID: "d"}}}
	return e, record(ctx, e)
}

func (w *world) answer(entry authorize.Entry, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entry, w.err = entry, err
}

// holdBack makes questions wait until release is called.
func (w *world) holdBack() (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	hold := make(chan struct{})
	w.hold = hold
	return sync.OnceFunc(func() {
		w.mu.Lock()
		w.hold = nil
		w.mu.Unlock()
		close(hold)
	})
}

func (w *world) questions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

func (w *world) check() error { return w.Check(w.t.Context(), &ada, &family) }

func (w *world) want(what string, err, want error, questions int) {
	w.t.Helper()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		w.t.Errorf("%s: %v, want %v", what, err, want)
	}
	if n := w.questions(); n != questions {
		w.t.Errorf("%s: %d questions, want %d", what, n, questions)
	}
}

// settle waits until the memory holds an answer of now, which a question beside
// the calls brings.
func (w *world) settle(questions int) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); w.questions() < questions; {
		if time.Now().After(deadline) {
			w.t.Fatalf("%d questions, want %d", w.questions(), questions)
		}
		select {
		case <-w.arrived:
		case <-time.After(time.Millisecond):
		}
	}
	w.Close() // waits for what is under way
	var err error
	if w.Checker, err = people.New(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.Close)
}

func TestAPersonAtWorkIsAskedAboutOnceInAMinute(t *testing.T) {
	w := newWorld(t)
	w.want("first", w.check(), nil, 1)
	if diff := cmp.Diff([]authorize.Person{{UserID: "ours", Subject: "theirs", Email: "ada@acme.com", Domain: "acme.com", ClientID: "c"}}, w.asked); diff != "" {
		t.Error(diff)
	}
	for range 44 {
		w.clock.Advance(time.Second)
		w.want("a call", w.check(), nil, 1)
	}
	w.clock.Advance(16 * time.Second) // sixty seconds
	w.want("after a minute", w.check(), nil, 2)
	w.clock.Advance(time.Hour) // not at work
	w.want("the next day", w.check(), nil, 3)
}

func TestTheQuestionIsForAPersonAtAResourceAndNotForAToken(t *testing.T) {
	w := newWorld(t)
	w.want("one grant", w.check(), nil, 1)
	other := family
	other.ID, other.ClientID = "f9", "another assistant"
	w.want("another grant of hers", w.Check(t.Context(), &ada, &other), nil, 1)
	other.Resource = "https://api.example/mcp/other"
	w.want("another resource", w.Check(t.Context(), &ada, &other), nil, 2)
	bob := store.User{ID: "bob"}
	w.want("another person", w.Check(t.Context(), &bob, &family), nil, 3)
}

func TestAnAnswerThatGetsOldIsRenewedBesideTheCall(t *testing.T) {
	w := newWorld(t)
	w.want("first", w.check(), nil, 1)
	w.clock.Advance(people.RenewAfter)
	release := w.holdBack()
	if err := w.check(); err != nil { // and does not wait
		t.Error(err)
	}
	<-w.arrived
	release()
	w.settle(2)
	w.clock.Advance(people.Remembered - 20*time.Second)
	w.want("a minute and more after the first", w.check(), nil, 2)
}

func TestAThousandCallsAtOnceMakeOneQuestion(t *testing.T) {
	w := newWorld(t)
	release := w.holdBack()
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if err := w.check(); err != nil {
				t.Error(err)
			}
		})
	}
	<-w.arrived
	release()
	wg.Wait()
	if n := w.questions(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func TestAPersonWhoIsNotActiveLosesEverythingAndTheTrailSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		entry  authorize.Entry
		err    error
		detail string
	}{
		"not active": {authorize.Entry{ID: "theirs"}, nil, "the backend says that the person is not active"},
		"unknown":    {authorize.Entry{}, authorize.ErrUnknownPerson, "the backend does not know the person any more"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.want("before", w.check(), nil, 1)
			w.answer(c.entry, c.err)
			w.clock.Advance(people.Remembered)
			ctx := httpx.WithRequestID(t.Context(), "r1")
			w.want("after", w.Check(ctx, &ada, &family), people.ErrInactive, 2)
			want := []audit.Event{
				{Name: audit.PersonSignedOut, Detail: c.detail + ", with 2 grants"},
				{Name: audit.TokenRevoked, GrantID: "f1", ClientID: "c", UserID: "theirs", Resource: resource, Detail: c.detail},
				{Name: audit.TokenRevoked, GrantID: "f2", ClientID: "d", UserID: "theirs", Detail: c.detail, Durable: true},
			}
			for i := range want {
				want[i].Time, want[i].RequestID, want[i].DomainID, want[i].UserEmail, want[i].Reason = w.clock.Now(), "r1", "acme.com", "ada@acme.com", "user/not_active"
			}
			if diff := cmp.Diff(want, w.trail.Events(), cmpopts.IgnoreFields(audit.Event{}, "ID", "Node")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]people.Result{people.Active, people.Inactive}, w.results); diff != "" {
				t.Error(diff)
			}
			w.want("again", w.check(), people.ErrInactive, 3) // nothing bad is remembered
			w.answer(authorize.Entry{ID: "theirs", Active: true}, nil)
			w.want("once they are back", w.check(), nil, 4)
		})
	}
}

func TestAPersonIsFoundInactiveBesideTheCallToo(t *testing.T) {
	w := newWorld(t)
	w.want("before", w.check(), nil, 1)
	w.answer(authorize.Entry{ID: "theirs"}, nil)
	w.clock.Advance(people.RenewAfter)
	_ = w.check()
	w.settle(2)
	if n := w.revoked.Load(); n != 1 {
		t.Errorf("revoked %d times", n)
	}
}

func TestAStoreThatCannotEndGrantsIsAFaultAndTheyAreEndedAtTheNextUse(t *testing.T) {
	w := newWorld(t)
	w.answer(authorize.Entry{}, nil)
	w.fault = store.ErrUnavailable
	w.want("while the store is down", w.check(), people.ErrUnknown, 1)
	w.fault = nil
	w.want("after", w.check(), people.ErrInactive, 2)
}

func TestABackendThatDoesNotAnswerDeniesNobodyAndIsNotAskedAtEveryCall(t *testing.T) {
	w := newWorld(t)
	w.want("before", w.check(), nil, 1)
	w.answer(authorize.Entry{}, errDown)
	w.clock.Advance(people.Remembered)
	w.want("the first silence", w.check(), nil, 2)
	for range 4 {
		w.clock.Advance(time.Second)
		w.want("a moment later", w.check(), nil, 2)
	}
	w.clock.Advance(time.Second)
	w.want("after five seconds", w.check(), nil, 3)
	w.clock.Advance(people.Tolerated - people.Remembered - 5*time.Second)
	w.want("five minutes after the last word", w.check(), nil, 4)
	w.clock.Advance(time.Second)
	w.want("a second more", w.check(), people.ErrUnknown, 4)
	w.clock.Advance(5 * time.Second)
	w.want("asked again", w.check(), people.ErrUnknown, 5)
	if w.revoked.Load() != 0 {
		t.Error("a fault ended grants")
	}
	if !w.Active(t.Context(), ada, family) {
		t.Error("a fault refuses a refresh")
	}
	w.clock.Advance(5 * time.Second)
	w.answer(authorize.Entry{ID: "theirs", Active: true}, nil)
	w.want("when it speaks again", w.check(), nil, 6)
}

func TestSilenceCountsFromItsBeginningWhereNothingIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.answer(authorize.Entry{}, errDown)
	w.want("the first silence after a start", w.check(), nil, 1)
	w.clock.Advance(people.Tolerated)
	w.want("five minutes later", w.check(), nil, 2)
	w.clock.Advance(5 * time.Second)
	w.want("and more", w.check(), people.ErrUnknown, 3)
}

func TestARefreshWaitsNoLongerThanItsContextAndGoesOn(t *testing.T) {
	w := newWorld(t)
	release := w.holdBack()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-w.arrived
		cancel()
	}()
	if !w.Active(ctx, ada, family) {
		t.Error("refused")
	}
}

func TestAGoodSignInSparesTheFirstCallItsQuestion(t *testing.T) {
	w := newWorld(t)
	who := authorize.Person{UserID: "ours", Email: "ada@acme.com", Domain: "acme.com", ClientID: "c"}
	if entry, err := w.Checker.Lookup(t.Context(), resource, who); err != nil || !entry.Active {
		t.Fatal(entry, err)
	}
	w.want("the first call", w.check(), nil, 1)
	w.answer(authorize.Entry{}, nil)
	if entry, err := w.Checker.Lookup(t.Context(), resource, who); err != nil || entry.Active {
		t.Fatal(entry, err)
	}
	if w.revoked.Load() != 0 {
		t.Error("a sign-in ended grants")
	}
}

func TestAClockThatWasSetBackAsksAgain(t *testing.T) {
	w := newWorld(t)
	w.want("before", w.check(), nil, 1)
	w.clock.Advance(-time.Hour)
	w.want("after", w.check(), nil, 2)
}

func TestCloseEndsQuestionsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.holdBack() // and never released
	done := make(chan error)
	go func() { done <- w.check() }()
	<-w.arrived
	w.Close()
	if err := <-done; err != nil { // a fault, and tolerated
		t.Error(err)
	}
	w.clock.Advance(time.Hour)
	if err := w.check(); !errors.Is(err, people.ErrUnknown) {
		t.Errorf("after the close: %v", err)
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	w.want("first", w.check(), nil, 1)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _ = w.Check(ctx, &ada, &family) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	w := newWorld(b)
	ctx := b.Context()
	_ = w.Check(ctx, &ada, &family)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Check(ctx, &ada, &family); err != nil {
			b.Fatal(err)
		}
	}
}
