package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// names are few, so that operations meet each other's rows.
var names = []string{"a", "b", "c"}

// random compares random transactions, committed and not, and sweeps with the
// model: the outcome of each operation, and all rows before and after a rollback
// and at the end. All runs share a store; each has names of its own and leaves
// nothing that a sweep would meet.
func random(t *testing.T, open func(t *testing.T) store.Store) {
	s := start(t, open)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		w := &walk{T: rt, store: s, model: newModel(), run: runs}
		defer w.clear()
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			if rapid.IntRange(0, 3).Draw(rt, "step") == 0 {
				w.sweep()
			} else {
				w.transaction()
			}
		}
		w.compare(t.Context(), s)
		rejections, err := s.Rejections(t.Context(), 100)
		w.outcome(err, nil)
		w.equal("rejections", rejections, w.model.listRejections())
	})
}

type walk struct {
	*rapid.T
	store store.Store
	model *model
	run   int
}

// full is a name as it is stored.
func (w *walk) full(name string) string { return fmt.Sprint(name, w.run) }

func (w *walk) name(label string) string {
	return w.full(rapid.SampledFrom(names).Draw(w.T, label))
}

func (w *walk) hash(label string) store.Hash {
	return hash(w.name(label))
}

// when is a moment within some weeks, or never.
func (w *walk) when(label string) time.Time {
	hours := rapid.IntRange(0, 60*24).Draw(w.T, label)
	if hours%4 == 0 {
		return time.Time{}
	}
	return base.Add(time.Duration(hours) * time.Hour)
}

// end is a moment within some weeks.
func (w *walk) end(label string) time.Time {
	return base.Add(time.Duration(rapid.IntRange(1, 60*24).Draw(w.T, label)) * time.Hour)
}

func (w *walk) transaction() {
	n := rapid.IntRange(1, 12).Draw(w.T, "operations")
	commit := rapid.IntRange(0, 3).Draw(w.T, "outcome") > 0
	before := w.model.clone()
	ctx := context.Background()
	err := w.store.Update(ctx, func(tx store.Tx) error {
		for range n {
			op := rapid.SampledFrom(operations).Draw(w.T, "operation")
			got, want := op(w, ctx, tx)
			w.outcome(got, want)
		}
		if !commit {
			w.compare(ctx, tx) // what the rollback must then undo
			return errMine
		}
		return nil
	})
	switch {
	case commit && err != nil:
		w.Fatalf("update: %v", err)
	case !commit && !errors.Is(err, errMine):
		w.Fatalf("update that fails: %v", err)
	case !commit:
		w.model = before
		w.compare(ctx, w.store)
	}
}

func (w *walk) sweep() {
	now := w.end("now")
	got, err := w.store.Sweep(context.Background(), now, 1000)
	if err != nil {
		w.Fatalf("sweep: %v", err)
	}
	w.equal("swept", got, w.model.sweep(now))
}

// clear removes what the run left, so that the sweeps of the next do not count it.
func (w *walk) clear() {
	if _, err := w.store.Sweep(context.Background(), base.Add(10*365*24*time.Hour), 1000); err != nil {
		w.Errorf("clear: %v", err)
	}
}

// outcome wants the engine's error to be the model's.
func (w *walk) outcome(got, want error) {
	if (got == nil) != (want == nil) || (want != nil && !errors.Is(got, want)) {
		w.Fatalf("operation: error is %v, the model's %v", got, want)
	}
}

func (w *walk) equal(what string, got, want any) {
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.Fatalf("%s (-model +store):\n%s", what, diff)
	}
}

// compare reads every row that can exist through r.
func (w *walk) compare(ctx context.Context, r store.Reader) {
	now := base.Add(72 * time.Hour)
	for _, n := range names {
		n = w.full(n)
		h := hash(n)
		look(w, ctx, "client", r.Client, w.model.clients, n)
		look(w, ctx, "document", r.Document, w.model.documents, n)
		look(w, ctx, "user", r.User, w.model.users, n)
		look(w, ctx, "session", r.Session, w.model.sessions, h)
		look(w, ctx, "approval", r.Approval, w.model.approvals, n)
		look(w, ctx, "code", r.Code, w.model.codes, h)
		look(w, ctx, "family", r.Family, w.model.families, n)
		look(w, ctx, "idempotent write", r.IdempotentWrite, w.model.idempotent, h)
		look(w, ctx, "access token", r.AccessToken, w.model.tokens, h)
		for gen := range uint32(4) {
			got, err := r.Generation(ctx, n, gen)
			want, wantErr := find(w.model.generations, generationKey{n, gen})
			w.outcome(err, wantErr)
			w.equal(fmt.Sprint("generation ", n, gen), got, want)
		}
		got, err := r.Access(ctx, h)
		want, wantErr := w.model.access(h)
		w.outcome(err, wantErr)
		w.equal("access", got, want)
		u := sampleUser(n)
		person, err := r.Person(ctx, u.Domain, u.Issuer, u.Subject)
		wantPerson, wantErr := w.model.person(u.Domain, u.Issuer, u.Subject)
		w.outcome(err, wantErr)
		w.equal("person", person, wantPerson)
		byEmail, err := r.PeopleByEmail(ctx, u.Domain, u.Email)
		w.outcome(err, nil)
		w.equal("people by e-mail", byEmail, w.model.people(func(o store.User) bool { return o.Domain == u.Domain && o.Email == u.Email }))
		for _, other := range names {
			at := store.IDPSession{Domain: u.Domain, Issuer: u.Issuer, ID: atIDP(w.full(other))}
			people, err := r.PeopleAtIDP(ctx, at)
			w.outcome(err, nil)
			w.equal("people at the identity provider", people, w.model.peopleAtIDP(at))
		}
		live, err := r.LiveFamiliesOfUser(ctx, n, now)
		w.outcome(err, nil)
		w.equal("live families of user", live, w.model.live(func(f store.Family) bool { return f.UserID == n }, now))
		live, err = r.LiveFamiliesOfClient(ctx, n, now)
		w.outcome(err, nil)
		w.equal("live families of client", live, w.model.live(func(f store.Family) bool { return f.ClientID == n }, now))
		look(w, ctx, "registration", r.Registration, w.model.registrations, n)
		removed, err := r.ClientRemoved(ctx, n)
		w.outcome(err, nil)
		w.equal("removed", removed, has(w.model.removed, n))
		for _, client := range names {
			key := sampleConsent(n, w.full(client)).Key()
			look(w, ctx, "consent", r.Consent, w.model.consents, key)
		}
	}
}

func look[K comparable, V any](w *walk, ctx context.Context, what string, get func(context.Context, K) (V, error), rows map[K]V, key K) {
	got, err := get(ctx, key)
	want, wantErr := find(rows, key)
	w.outcome(err, wantErr)
	w.equal(what, got, want)
}
