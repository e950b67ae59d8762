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
	countClients     = query("count clients", `SELECT count(*) FROM clients`)
	countDocuments   = query("count documents", `SELECT count(*) FROM documents`)
	countUsers       = query("count users", `SELECT count(*) FROM users`)
	countSessions    = query("count sessions", `SELECT count(*) FROM sessions`)
	countApprovals   = query("count approvals", `SELECT count(*) FROM approvals`)
	countCodes       = query("count codes", `SELECT count(*) FROM codes`)
	countTokens      = query("count access tokens", `SELECT count(*) FROM access_tokens`)
	countFamilies    = query("count families", `SELECT count(*) FROM families`)
	countLive        = query("count live families", `SELECT count(*) FROM families WHERE ended_at > ?`)
	countGenerations = query("count generations", `SELECT count(*) FROM generations`)
	countSealed      = query("count sealed answers", `SELECT count(*) FROM generations WHERE sealed IS NOT NULL AND rotated_at > 0`)

	// By the index on the end of codes: as many rows as expired meanwhile.
	endedCodes = query("ended codes", `SELECT ifnull(c.profile, ''), sum(k.consumed_at <> 0), sum(k.consumed_at = 0)
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
