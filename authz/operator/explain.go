package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Policy decides about calls; *policy.Policy is one.
type Policy interface {
	Explain(c policy.Call) (policy.Layers, policy.Verdict)
	Decide(c policy.Call) policy.Verdict
	RolesOf(domain string, groups []string) []policy.Role
}

// Question is a call that a person could make with a client.
type Question struct {
	// Email is the person's address; the part after the @ is their domain.
	Email string
	// Client is the id of a client, or that of a host profile, which stands for
	// every client of it.
	Client   string
	Resource string
	// Scope and Permission are what the tool needs.
	Scope, Permission string
}

// Explanation is what would happen to a call now, and why.
type Explanation struct {
	Domain string
	// Person is who had the address at the last sign-in; nil where nobody had it.
	Person *store.User
	// Others are further people who had the same address before.
	Others int
	// Client is the one that was asked about; nil for a profile, and where there
	// is none with that id. Profile is its host profile, or "".
	Client  *store.Client
	Profile string
	// Roles are those that the person has, by the groups of the last sign-in.
	Roles []policy.Role
	// Grants are the live ones of the person at the resource through the client,
	// the newest first.
	Grants []Granted
	// Layers say which layers refuse; reason.None where one does not.
	Layers Layers
	// Verdict is the decision that the best of the grants would get, or, where
	// something is missing before it comes to that, the first layer that refuses.
	Verdict policy.Verdict
}

// Layers are those of the policy and what it does not know about: whether the
// person and the client exist and whether the one approved the other. They are
// named in the order in which they refuse.
type Layers struct {
	Domain, User, Client, Grant, Role, Scope reason.Reason
}

// Granted is one live grant with the decision about the call under it.
type Granted struct {
	store.Family
	Verdict policy.Verdict
}

// Explain says what would happen to a call. What it decides, the policy decides,
// as it does for calls; it reads and changes nothing. The limits and the backend
// are not asked. The error is store.ErrUnavailable.
func (s *Service) Explain(ctx context.Context, q Question) (Explanation, error) {
	var e Explanation
	if at := strings.LastIndexByte(q.Email, '@'); at >= 0 {
		e.Domain = strings.ToLower(q.Email[at+1:])
	}
	people, err := s.cfg.Store.PeopleByEmail(ctx, e.Domain, q.Email)
	if err != nil {
		return Explanation{}, fmt.Errorf("find person: %w", err)
	}
	// Several may have had one address, one after the other: who signed in last.
	slices.SortStableFunc(people, func(a, b store.User) int { return b.SignedIn.Compare(a.SignedIn) })
	if len(people) > 0 {
		e.Person, e.Others = &people[0], len(people)-1
	}
	if err := s.findClient(ctx, q.Client, &e); err != nil {
		return Explanation{}, err
	}
	if err := s.findGrants(ctx, q, &e); err != nil {
		return Explanation{}, err
	}
	s.judge(q, &e)
	return e, nil
}

// findClient finds what the question calls the client.
func (s *Service) findClient(ctx context.Context, id string, e *Explanation) error {
	if _, ok := s.cfg.Profiles.Profile(id); ok {
		e.Profile = id
		return nil
	}
	found, err := s.cfg.Clients.Client(ctx, id)
	switch {
	case err == nil:
		e.Client, e.Profile = &found, found.Profile
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("find client: %w", err)
	default: // a document that nobody approved yet has no row
		p, _ := s.cfg.Profiles.ByDocument(id)
		e.Profile = p.ID
	}
	return nil
}

// findGrants lists the grants of the person that the question is about.
func (s *Service) findGrants(ctx context.Context, q Question, e *Explanation) error {
	if e.Person == nil {
		return nil
	}
	live, err := s.cfg.Store.LiveFamiliesOfUser(ctx, e.Person.ID, s.cfg.Clock.Now())
	if err != nil {
		return fmt.Errorf("find grants: %w", err)
	}
	for _, f := range live {
		if f.Resource != q.Resource {
			continue
		}
		switch {
		case e.Client != nil:
			if f.ClientID != e.Client.ID {
				continue
			}
		default:
			c, err := s.cfg.Clients.Client(ctx, f.ClientID)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("find client of a grant: %w", err)
			}
			if err != nil || c.Profile != e.Profile {
				continue
			}
		}
		e.Grants = append(e.Grants, Granted{Family: f})
	}
	return nil
}

// judge asks the policy, about each grant or, where there is none, about a call
// without any consent.
func (s *Service) judge(q Question, e *Explanation) {
	call := policy.Call{
		Subject: policy.Subject{Domain: e.Domain, Profile: e.Profile}, Resource: q.Resource, Scope: q.Scope, Permission: q.Permission,
	}
	if e.Person != nil {
		call.Groups = e.Person.Groups
	}
	e.Roles = s.cfg.Policy.RolesOf(e.Domain, call.Groups)
	best := -1
	for i := range e.Grants {
		call.Scopes = e.Grants[i].Scopes
		e.Grants[i].Verdict = s.cfg.Policy.Decide(call)
		if best < 0 || e.Grants[i].Verdict.Allowed && !e.Grants[best].Verdict.Allowed {
			best = i
		}
	}
	if call.Scopes = nil; best >= 0 {
		call.Scopes = e.Grants[best].Scopes
	}
	layers, verdict := s.cfg.Policy.Explain(call)
	e.Layers = Layers{Domain: layers.Domain, User: layers.User, Client: layers.Client, Role: layers.Role, Scope: layers.Scope}
	if e.Person == nil {
		e.Layers.User = reason.UserUnknown
	}
	if e.Profile == "" && e.Client == nil {
		e.Layers.Client = reason.ClientUnknown
	}
	if len(e.Grants) == 0 {
		e.Layers.Grant = reason.GrantUnknown
	}
	e.Verdict = verdict
	missing := []reason.Reason{e.Layers.Domain, e.Layers.User, e.Layers.Client, e.Layers.Grant}
	if i := slices.IndexFunc(missing, func(why reason.Reason) bool { return why != reason.None }); i >= 0 {
		e.Verdict = policy.Verdict{Reason: missing[i]}
	}
}
