package operator_test

import (
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/store"
)

func TestEverybodyWithThatAddressInTheDomainIsSignedOutAndTheTrailSaysByWhom(t *testing.T) {
	s, f := newService(t)
	done, err := s.SignOut(t.Context(), "ACME.com", "ADA@acme.com")
	if err != nil || done != (operator.SignedOut{People: 2, Grants: 2}) {
		t.Fatalf("%+v, %v", done, err)
	}
	// Each is announced before, and recorded with its end.
	if diff := gocmp.Diff(map[string]int{"signed out u1 by admin": 3, "signed out u2 by admin": 6}, f.done); diff != "" {
		t.Error(diff)
	}
	for i, name := range []string{audit.AdminAction, audit.PersonSignedOut, audit.TokenRevoked} {
		e := f.trail.Events()[i]
		if e.Name != name || e.DomainID != "acme.com" || e.UserEmail != "Ada@acme.com" || !e.Time.Equal(now) || i > 0 && e.Reason != "admin" || i != 1 && !e.Durable {
			t.Errorf("%d: %+v", i, e)
		}
	}
}

func TestAPersonIsSignedOutByTheirIDToo(t *testing.T) {
	s, f := newService(t)
	if done, err := s.SignOut(t.Context(), "acme.com", "u2"); err != nil || done.People != 1 || len(f.done) != 1 {
		t.Errorf("%+v, %v, %v", done, err, f.done)
	}
}

func TestNobodyIsSignedOutWhoIsNotMeant(t *testing.T) {
	for name, c := range map[string][2]string{
		"an unknown address":          {"acme.com", "bob@acme.com"},
		"another domain":              {"other.example", "ada@acme.com"},
		"an id of another domain":     {"acme.com", "u3"},
		"an unknown id":               {"acme.com", "u9"},
		"a part of an address":        {"acme.com", "@acme.com"},
		"a wildcard of some database": {"acme.com", "%@acme.com"},
	} {
		t.Run(name, func(t *testing.T) {
			s, f := newService(t)
			if _, err := s.SignOut(t.Context(), c[0], c[1]); !errors.Is(err, store.ErrNotFound) || len(f.done)+len(f.trail.Events()) != 0 {
				t.Errorf("%v, %v", err, f.done)
			}
		})
	}
}

func TestASignOutThatCannotBeAuditedOrStoredIsAFault(t *testing.T) {
	s, f := newService(t)
	f.trail.Fail(errors.New("disk full"))
	if _, err := s.SignOut(t.Context(), "acme.com", "u1"); !errors.Is(err, operator.ErrNotAudited) || len(f.done) != 0 {
		t.Errorf("%v, %v", err, f.done)
	}
	f.trail.Fail(nil)
	f.err = store.ErrUnavailable
	for _, who := range []string{"u1", "ada@acme.com"} {
		if _, err := s.SignOut(t.Context(), "acme.com", who); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", who, err)
		}
	}
}
