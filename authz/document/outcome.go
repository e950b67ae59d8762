package document

import (
	"errors"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// Outcome is how a fetch of a document ended.
type Outcome string

// The outcomes.
const (
	// First is a document of which there was no copy.
	First Outcome = "first"
	// Unchanged says what the copy says.
	Unchanged Outcome = "unchanged"
	// Changed differs from the copy in something on which consent depends, or in
	// what people are shown, and replaces it.
	Changed Outcome = "changed"
	// Unreachable could not be fetched.
	Unreachable Outcome = "unreachable"
	// Refused was fetched and is not acceptable.
	Refused Outcome = "refused"
	// Unavailable is a fault of our own: the store, or the audit trail.
	Unavailable Outcome = "unavailable"
)

// Outcomes lists all of them.
func Outcomes() []Outcome {
	return []Outcome{First, Unchanged, Changed, Unreachable, Refused, Unavailable}
}

// failed is the outcome of a fetch that ended with err.
func failed(err error) Outcome {
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return Unavailable
	case errors.Is(err, ErrInvalid):
		return Refused
	}
	return Unreachable
}
