package authz

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/logout"
	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// newPeople makes what asks backends about people. It ends grants by the service
// that asks it in turn before a refresh, and which is made after it.
func (s *Server) newPeople(cfg Config) (*people.Checker, error) {
	if cfg.People == nil {
		return nil, errors.New("authz: a memory of people is required")
	}
	return people.New(people.Config{
		Directory: cfg.Directory, Memory: cfg.People, Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log, Observe: cfg.Observers.Person,
		Revoke: func(ctx context.Context, userID, why string, record grant.Record) (grant.Ended, error) {
			return s.grants.RevokeUser(ctx, userID, why, record)
		},
	})
}

// Verify says whom an access token speaks for at a resource, as Verify of a
// grant.Service does, and that this person is still active at its backend. The
// order is part of it: only who has a good token makes us ask. The error is
// grant.ErrInvalid, with reason.UserNotActive for a person who is not and whose
// grants have ended by now; store.ErrUnavailable or people.ErrUnknown mean that
// it cannot be known, which must never be told as the former.
func (s *Server) Verify(ctx context.Context, token, resource string) (*grant.Session, error) {
	session, err := s.grants.Verify(ctx, token, resource)
	if err != nil {
		return nil, err
	}
	err = s.people.Check(ctx, &session.User, &session.Family)
	if errors.Is(err, people.ErrInactive) {
		return nil, &grant.InvalidError{Reason: reason.UserNotActive}
	}
	if err != nil {
		return nil, err
	}
	return session, nil
}

// mountLogout wires what identity providers call.
func (s *Server) mountLogout(cfg Config) error {
	leaving, err := logout.New(logout.Config{
		Providers: cfg.Providers, Grants: s.grants, Audit: cfg.Audit, Clock: cfg.Clock, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	s.below[logout.Path] = newDoor(cfg).bound("logout", logoutRate, reason.LimitRequests, toServer, leaving)
	return nil
}

// toServer answers a program that no browser runs.
func toServer(w http.ResponseWriter, _ *http.Request, why reason.Reason, wait time.Duration) {
	oauth.WriteError(w, oauth.TooMany(why, wait, "too many requests from this address, try again later"))
}
