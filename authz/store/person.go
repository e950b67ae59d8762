package store

import "context"

// PersonFinder finds people for operators.
type PersonFinder interface {
	// People lists those of a domain who had that e-mail address at their last
	// sign-in, in any case of A to Z, who signed in last first. Several people may
	// have had one address, one after the other.
	People(ctx context.Context, domain, email string) ([]User, error)
}
