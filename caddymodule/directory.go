package caddymodule

import (
	"context"
	"errors"
	"fmt"

	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

// userFinder asks a backend who a person is; *backend.Client is one.
type userFinder interface {
	CurrentUser(ctx context.Context, p backend.Person) (backend.User, error)
}

// directory asks the backend of a resource about a person: before anything is
// granted, and while it is in use. One
// without a finder has no directory.
type directory map[string]userFinder

// Lookup implements authorize.Directory.
func (d directory) Lookup(ctx context.Context, resource string, who authorize.Person) (authorize.Entry, error) {
	finder, ok := d[resource]
	if !ok {
		return authorize.Entry{}, fmt.Errorf("no backend serves the resource %s", resource)
	}
	if finder == nil {
		return authorize.Entry{Active: true, Unlisted: true}, nil
	}
	user, err := finder.CurrentUser(ctx, backend.Person{
		Email: who.Email, Domain: who.Domain, Subject: who.Subject, ClientID: who.ClientID, TXN: httpx.RequestID(ctx),
	})
	var refused *backend.Error
	switch {
	case err == nil:
		return authorize.Entry{ID: user.ID, Active: user.Status == backend.StatusActive}, nil
	case !errors.As(err, &refused):
		return authorize.Entry{}, err
	case who.Subject != "" && refused.Detail == "":
		// It would end grants, and has no word of the backend's own: a 403 or 404 of
		// a proxy or of a wrong address must not sign a company out.
		return authorize.Entry{}, err
	case refused.Kind == backend.NotFound:
		return authorize.Entry{}, fmt.Errorf("%w: %w", authorize.ErrUnknownPerson, err)
	case refused.Kind == backend.Forbidden: // known, and refused everything: a person who was suspended
		return authorize.Entry{Active: false}, nil
	}
	return authorize.Entry{}, err
}

// Interface guards.
var (
	_ authorize.Directory = directory(nil)
	_ userFinder          = (*backend.Client)(nil)
)
