package store

import (
	"context"
	"time"
)

// Counter says how much is kept, for metrics. It is an optional capability of an
// engine. Its methods read only, beside everything else, and may take longer
// than other reads: they are called now and then and never for a request. Errors
// are ErrUnavailable.
type Counter interface {
	// CountRows says how many rows of each kind are kept.
	CountRows(ctx context.Context, now time.Time) (Rows, error)
	// EndedCodes says what became of the codes that expired from one moment on and
	// before another, by the profile of their client. Codes are kept for KeepCode
	// after their expiry, so that older moments are not counted in full.
	EndedCodes(ctx context.Context, from, before time.Time) ([]EndedCodes, error)
}

// Rows counts what is kept.
type Rows struct {
	Clients, Registrations, Removals, Rejections, Documents, Users, Sessions, Approvals, Consents int
	Codes, AccessTokens, Families, Generations, SealedAnswers, IdempotentWrites, LogoutTokens     int
	// LiveFamilies are those of Families that are neither revoked nor past their
	// end.
	LiveFamilies int
}

// EndedCodes counts codes of one profile whose life is over.
type EndedCodes struct {
	// Profile is "" for clients that are gone or have none.
	Profile string
	// Redeemed ones were exchanged for tokens, Unredeemed ones never; the latter
	// include those that were revoked or burned by wrong verifiers meanwhile.
	Redeemed, Unredeemed int
}
