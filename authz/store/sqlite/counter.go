package sqlite

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// Each count is a statement of its own, so that no old state of the database is
// pinned for longer than one of them takes. SQLite walks the smallest index of
// the table, which takes about a millisecond for a hundred thousand rows.
var (
	countClients       = count("count clients", `SELECT count(*) FROM clients`)
	countRegistrations = count("count registrations", `SELECT count(*) FROM registrations`)
	countRemovals      = count("count removed clients", `SELECT count(*) FROM removed_clients`)
	countRejections    = count("count rejections", `SELECT count(*) FROM rejections`)
	countConsents      = count("count consents", `SELECT count(*) FROM consents`)
	countLogoutTokens  = count("count logout tokens", `SELECT count(*) FROM logout_tokens`)
	countDocuments     = count("count documents", `SELECT count(*) FROM documents`)
	countUsers         = count("count users", `SELECT count(*) FROM users`)
	countSessions      = count("count sessions", `SELECT count(*) FROM sessions`)
	countApprovals     = count("count approvals", `SELECT count(*) FROM approvals`)
	countCodes         = count("count codes", `SELECT count(*) FROM codes`)
	countTokens        = count("count access tokens", `SELECT count(*) FROM access_tokens`)
	countFamilies      = count("count families", `SELECT count(*) FROM families`)
	countLive          = count("count live families", `SELECT count(*) FROM families WHERE ended_at > ?`)
	countGenerations   = count("count generations", `SELECT count(*) FROM generations`)
	countSealed        = count("count sealed answers", `SELECT count(*) FROM generations WHERE sealed IS NOT NULL AND rotated_at > 0`)
	countIdempotent    = count("count idempotent writes", `SELECT count(*) FROM idempotent_writes`)

	// By the index on the end of codes: as many rows as expired meanwhile.
	endedCodes = count("ended codes", `SELECT ifnull(c.profile, ''), sum(k.consumed_at <> 0), sum(k.consumed_at = 0)
		FROM codes k LEFT JOIN clients c ON c.id = k.client_id
		WHERE k.expires_at >= ? AND k.expires_at < ?
		GROUP BY 1 ORDER BY 1`)
)

var _ store.Counter = (*Store)(nil)

// CountRows implements store.Counter. The counts are of moments that follow one
// another closely.
func (s *Store) CountRows(ctx context.Context, now time.Time) (store.Rows, error) {
	var n store.Rows
	for _, kind := range []struct {
		count *int
		query *statement
		args  []any
	}{
		{&n.Clients, countClients, nil},
		{&n.Registrations, countRegistrations, nil},
		{&n.Removals, countRemovals, nil},
		{&n.Rejections, countRejections, nil},
		{&n.Consents, countConsents, nil},
		{&n.LogoutTokens, countLogoutTokens, nil},
		{&n.Documents, countDocuments, nil},
		{&n.Users, countUsers, nil},
		{&n.Sessions, countSessions, nil},
		{&n.Approvals, countApprovals, nil},
		{&n.Codes, countCodes, nil},
		{&n.AccessTokens, countTokens, nil},
		{&n.Families, countFamilies, nil},
		{&n.LiveFamilies, countLive, []any{micros(now)}},
		{&n.Generations, countGenerations, nil},
		{&n.SealedAnswers, countSealed, nil},
		{&n.IdempotentWrites, countIdempotent, nil},
	} {
		if err := s.row(ctx, kind.query, []any{kind.count}, kind.args...); err != nil {
			return store.Rows{}, err
		}
	}
	return n, nil
}

// EndedCodes implements store.Counter.
func (s *Store) EndedCodes(ctx context.Context, from, before time.Time) ([]store.EndedCodes, error) {
	var out []store.EndedCodes
	err := s.each(ctx, endedCodes, func(scan scanner) error {
		var e store.EndedCodes
		err := scan(&e.Profile, &e.Redeemed, &e.Unredeemed)
		out = append(out, e)
		return err
	}, micros(from), micros(before))
	if err != nil {
		return nil, err
	}
	return out, nil
}
