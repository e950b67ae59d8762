package sqlite

import (
	"cmp"
	"context"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// The key of people begins with the domain, so that one domain's are looked through.
var selectPeople = query("people", `SELECT u.id, `+userColumns+` FROM users u
	WHERE u.domain = ? AND u.email = ? COLLATE NOCASE`)

// People implements store.PersonFinder.
func (r reads) People(ctx context.Context, domain, email string) ([]store.User, error) {
	var out []store.User
	err := r.each(ctx, selectPeople, func(scan scanner) error {
		var u store.User
		err := scan(userDest(&u)...)
		out = append(out, u)
		return err
	}, domain, email)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b store.User) int { // a handful, for which no index is kept
		return cmp.Or(b.SignedIn.Compare(a.SignedIn), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}
