package keys_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

var rotationStart = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// skewed is the clock of a node that is ahead of real time or behind it.
type skewed struct {
	real *clock.Fake
	by   time.Duration
}

func (s skewed) Now() time.Time { return s.real.Now().Add(s.by) }

// node is one server of a cluster: it reads the storage again every RefreshEvery,
// at a second of its own.
type node struct {
	*keys.Set
	offset time.Duration
}

func openAt(t *testing.T, storage keys.Storage, at clock.Clock) *keys.Set {
	t.Helper()
	set, err := keys.Open(t.Context(), storage, at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func rotate(t *testing.T, storage keys.Storage, at clock.Clock, force bool) keys.Rotation {
	t.Helper()
	r, err := keys.Rotate(t.Context(), storage, at, rand.Reader, force)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verifier keeps the key set for as long as it may, and asks for it no earlier:
// not even for a key that it does not know.
type verifier struct {
	keys map[string]bool
	read time.Time
	asks int // which node it asks next
}

func (v *verifier) knows(kid string, nodes []node, now time.Time) bool {
	if v.keys == nil || now.Sub(v.read) >= keys.CacheLife {
		v.read, v.keys = now, kids(nodes[v.asks%len(nodes)].JWKS())
		v.asks++
	}
	return v.keys[kid]
}

func kids(jwks []byte) map[string]bool {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		panic(err)
	}
	known := make(map[string]bool)
	for _, k := range set.Keys {
		known[k.KeyID] = true
	}
	return known
}

// An assertion is made by one of three nodes each second, arrives up to 90
// seconds later, and is checked by verifiers that fetched the key set at every
// possible moment from any node.
func TestNoAssertionIsUnverifiableAtAnyTimeOfARotation(t *testing.T) {
	for name, skew := range map[string][3]time.Duration{
		"clocks agree":                         {},
		"clocks are a minute apart each way":   {time.Minute, -time.Minute, 0},
		"the rotating clock is a minute ahead": {-time.Minute, 0, time.Minute},
	} {
		for _, forced := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", forced twice"}[forced], func(t *testing.T) {
				storage, now := newMemory(), clock.NewFake(rotationStart)
				var nodes []node
				for i, by := range skew {
					at := skewed{now, by}
					nodes = append(nodes, node{openAt(t, storage, at), time.Duration(i) * 29 * time.Second})
				}
				verifiers := make([]verifier, int(keys.CacheLife/(20*time.Second)))
				type assertion struct {
					kid string
					at  time.Time
				}
				var underWay []assertion
				signers := make(map[string]bool)
				end := 2*keys.CacheLife + keys.PublishAhead + keys.PublishAfter + 5*time.Minute
				for second := time.Duration(0); second < end; second += time.Second {
					now.Set(rotationStart.Add(second))
					for i := range nodes {
						if second%keys.RefreshEvery == nodes[i].offset%keys.RefreshEvery {
							if _, err := nodes[i].Refresh(t.Context()); err != nil {
								t.Fatal(err)
							}
						}
					}
					if second == keys.CacheLife+7*time.Second || forced && second == keys.CacheLife+4*time.Minute {
						rotate(t, storage, skewed{now, skew[2]}, forced)
					}
					kid, _, err := nodes[int(second/time.Second)%len(nodes)].SigningKey(keys.EdDSA)
					if err != nil {
						t.Fatal(err)
					}
					signers[kid] = true
					underWay = append(underWay, assertion{kid, now.Now()})
					for now.Now().Sub(underWay[0].at) > 90*time.Second {
						underWay = underWay[1:]
					}
					for i := range verifiers {
						if second < time.Duration(i)*20*time.Second {
							continue // it begins later, so that all fetch at different times
						}
						for _, a := range []assertion{underWay[0], underWay[len(underWay)-1]} {
							if !verifiers[i].knows(a.kid, nodes, now.Now()) {
								t.Fatalf("after %v verifier %d does not know the key of an assertion made %v ago", second, i, now.Now().Sub(a.at))
							}
						}
					}
				}
				want := 2
				if forced {
					want = 3
				}
				if len(signers) != want {
					t.Errorf("%d keys have signed, want %d", len(signers), want)
				}
				for i := range nodes {
					if got := kids(nodes[i].JWKS()); len(got) != 2 {
						t.Errorf("node %d publishes %d keys in the end, want the two new ones", i, len(got))
					}
				}
			})
		}
	}
}

func TestARotationHappensByTheClockAlone(t *testing.T) {
	storage, now := newMemory(), clock.NewFake(rotationStart)
	set := openAt(t, storage, now)
	old := make(map[string]string)
	for _, alg := range []string{keys.EdDSA, keys.ES256} {
		old[alg], _, _ = set.SigningKey(alg)
	}
	r := rotate(t, storage, now, false)
	if want := rotationStart.Add(keys.PublishAhead); !r.SignFrom.Equal(want) {
		t.Errorf("the new keys sign from %v, want %v", r.SignFrom, want)
	}
	if len(kids(set.JWKS())) != 2 {
		t.Error("a server knows of the rotation before it has read it")
	}
	if changed, err := set.Refresh(t.Context()); err != nil || !changed {
		t.Fatalf("Refresh = %v, %v", changed, err)
	}
	if changed, err := set.Refresh(t.Context()); err != nil || changed {
		t.Fatalf("the second Refresh = %v, %v", changed, err)
	}
	for _, step := range []struct {
		name      string
		at        time.Time
		published int
		signsOld  bool
	}{
		{"at once", rotationStart, 4, true},
		{"right before the change", r.SignFrom.Add(-time.Second), 4, true},
		{"at the change", r.SignFrom, 4, false},
		{"right before the end", r.Done.Add(-time.Second), 4, false},
		{"at the end", r.Done, 2, false},
		{"when the clock is set back", rotationStart.Add(time.Minute), 4, true},
		{"before everything", rotationStart.Add(-time.Hour), 4, true},
		{"long after", r.Done.Add(1000 * time.Hour), 2, false},
	} {
		t.Run(step.name, func(t *testing.T) {
			now.Set(step.at)
			for _, s := range []*keys.Set{set, openAt(t, storage, now)} { // one that runs, one that starts now
				published := kids(s.JWKS())
				if len(published) != step.published {
					t.Errorf("%d keys are published, want %d", len(published), step.published)
				}
				for _, alg := range []string{keys.EdDSA, keys.ES256} {
					kid, private, err := s.SigningKey(alg)
					if err != nil || (kid == old[alg]) != step.signsOld {
						t.Errorf("%s: key %q signs, error %v", alg, kid, err)
					}
					if !published[kid] {
						t.Errorf("%s: the key that signs is not published", alg)
					}
					var jwks jose.JSONWebKeySet
					unmarshal(t, s.JWKS(), &jwks)
					if equal := private.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal; !equal(jwks.Key(kid)[0].Key) {
						t.Errorf("%s: another key is published under the id", alg)
					}
				}
			}
		})
	}
}

func TestTheListSaysWhatPartEachKeyHas(t *testing.T) {
	storage, now := newMemory(), clock.NewFake(rotationStart)
	openAt(t, storage, now)
	r := rotate(t, storage, now, false)
	for _, step := range []struct {
		at   time.Time
		want string
	}{
		{rotationStart, "mac active, seal active, signing active, signing active, signing coming, signing coming"},
		{r.SignFrom, "mac active, seal active, signing retired, signing retired, signing active, signing active"},
		{r.Done, "mac active, seal active, signing gone, signing gone, signing active, signing active"},
	} {
		now.Set(step.at)
		infos, err := keys.List(t.Context(), storage, now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range infos {
			got = append(got, i.Purpose+" "+string(i.State))
		}
		if strings.Join(got, ", ") != step.want {
			t.Errorf("at %v: %s, want %s", step.at, strings.Join(got, ", "), step.want)
		}
	}
	now.Set(r.Done)
	if after := rotate(t, storage, now, false); len(after.Keys) != 4 {
		t.Errorf("the next rotation leaves %d keys, want 4: gone ones are removed", len(after.Keys))
	}
}

func TestASecondRotationWaitsForTheFirst(t *testing.T) {
	storage, now := newMemory(), clock.NewFake(rotationStart)
	openAt(t, storage, now)
	r := rotate(t, storage, now, false)
	for _, at := range []time.Time{rotationStart, r.SignFrom, r.Done.Add(-time.Second)} {
		now.Set(at)
		before := bytes.Clone(storage.files[signingPath])
		if _, err := keys.Rotate(t.Context(), storage, now, rand.Reader, false); !errors.Is(err, keys.ErrOverlap) || !strings.Contains(err.Error(), r.Done.Format(time.RFC3339)) {
			t.Errorf("at %v: %v, want ErrOverlap and the time of its end", at, err)
		}
		if !bytes.Equal(before, storage.files[signingPath]) {
			t.Errorf("at %v: a refused rotation changed the document", at)
		}
	}
	now.Set(r.Done)
	rotate(t, storage, now, false)
}

func TestForcedRotationsEndAtABound(t *testing.T) {
	storage, now := newMemory(), clock.NewFake(rotationStart)
	openAt(t, storage, now)
	var err error
	rotations := 0
	for ; err == nil && rotations < 100; rotations++ {
		_, err = keys.Rotate(t.Context(), storage, now, rand.Reader, true)
	}
	if !errors.Is(err, keys.ErrOverlap) || rotations > 20 {
		t.Errorf("error %v after %d rotations", err, rotations)
	}
	openAt(t, storage, now) // what is stored is still read
}

var errKilled = errors.New("killed")

func TestAKillAtAnyStepLeavesAUsableDocument(t *testing.T) {
	for name, step := range map[string]struct {
		kill func(*memory) error
		want int // keys published afterwards
	}{
		"before the lock": {func(*memory) error { return nil }, 2},
		"before the write": {func(m *memory) error {
			m.storeErr = errKilled
			_, err := keys.Rotate(t.Context(), m, now, rand.Reader, false)
			m.storeErr = nil
			return err
		}, 2},
		"after the write, before the lock is given back": {func(m *memory) error {
			_, err := keys.Rotate(t.Context(), noUnlock{m}, now, rand.Reader, false)
			<-m.lock // the storage drops the lock of a process that is gone
			return err
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			storage := newMemory()
			set := openAt(t, storage, now)
			before, _, _ := set.SigningKey(keys.EdDSA)
			if err := step.kill(storage); err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			again := openAt(t, storage, now)
			if kid, _, err := again.SigningKey(keys.EdDSA); err != nil || kid != before {
				t.Errorf("key %q signs, error %v", kid, err)
			}
			if got := len(kids(again.JWKS())); got != step.want {
				t.Errorf("%d keys are published, want %d", got, step.want)
			}
			if step.want == 2 {
				rotate(t, storage, now, false) // nothing is in the way of another try
			}
		})
	}
}

// noUnlock dies before it gives the lock back.
type noUnlock struct{ *memory }

func (noUnlock) Unlock(context.Context, string) error { return errKilled }

func TestAServerKeepsItsKeysWhenTheStorageFails(t *testing.T) {
	storage, now := newMemory(), clock.NewFake(rotationStart)
	set := openAt(t, storage, now)
	kid, _, _ := set.SigningKey(keys.ES256)
	jwks := set.JWKS()
	for name, fail := range map[string]func(){
		"it cannot be read":       func() { storage.loadErr = errors.New("disk on fire") },
		"the document is damaged": func() { storage.loadErr = nil; storage.files[signingPath] = []byte("{") },
		"the document is gone":    func() { delete(storage.files, signingPath) },
	} {
		t.Run(name, func(t *testing.T) {
			fail()
			if changed, err := set.Refresh(t.Context()); err == nil || changed {
				t.Fatalf("Refresh = %v, %v", changed, err)
			}
			if after, _, err := set.SigningKey(keys.ES256); err != nil || after != kid || !bytes.Equal(set.JWKS(), jwks) {
				t.Errorf("the keys changed: %q, error %v", after, err)
			}
		})
	}
}

func TestRotateWithoutASoundDocumentIsRefused(t *testing.T) {
	empty := newMemory()
	if _, err := keys.Rotate(t.Context(), empty, now, rand.Reader, true); !errors.Is(err, fs.ErrNotExist) || empty.stores != 0 {
		t.Errorf("before the first start: %v", err)
	}
	if _, err := keys.List(t.Context(), empty, now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the list before the first start: %v", err)
	}
	damaged := newMemory()
	openAt(t, damaged, now)
	damaged.files[signingPath] = damaged.files[signingPath][:100]
	if _, err := keys.Rotate(t.Context(), damaged, now, rand.Reader, true); !errors.Is(err, keys.ErrDamaged) {
		t.Errorf("a damaged document: %v", err)
	}
	short := newMemory()
	openAt(t, short, now)
	if _, err := keys.Rotate(t.Context(), short, now, strings.NewReader("short"), false); err == nil || short.stores != 3 {
		t.Errorf("short randomness: %v after %d stores", err, short.stores)
	}
}

// A document as the versions before wrote it.
func TestADocumentWithoutTimesIsReadAndRotated(t *testing.T) {
	storage, now := newMemory(), clock.NewFake(rotationStart)
	set := openAt(t, storage, now)
	want, _, _ := set.SigningKey(keys.EdDSA)
	for _, path := range []string{macPath, sealPath, signingPath} {
		raw := bytes.ReplaceAll(storage.files[path], []byte(`"version": 2`), []byte(`"version": 1`))
		storage.files[path] = regexp.MustCompile(`"use_from": "[^"]*"`).ReplaceAll(raw, []byte(`"state": "active"`))
	}
	old := bytes.Clone(storage.files[signingPath])
	if got, _, err := openAt(t, storage, now).SigningKey(keys.EdDSA); err != nil || got != want {
		t.Fatalf("key %q, error %v", got, err)
	}
	if !bytes.Equal(old, storage.files[signingPath]) {
		t.Error("reading the document changed it")
	}
	rotate(t, storage, now, false)
	if got := kids(openAt(t, storage, now).JWKS()); len(got) != 4 || !got[want] {
		t.Errorf("%d keys are published", len(got))
	}
}

func BenchmarkSigningKey(b *testing.B) {
	storage := newMemory()
	set, err := keys.Open(b.Context(), storage, clock.System, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := set.SigningKey(keys.EdDSA); err != nil {
			b.Fatal(err)
		}
	}
}
