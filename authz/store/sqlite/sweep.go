package sqlite

import (
	"context"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// The sweeper's commands take a moment and a limit; oldest first, by an index.
// "Ended before" is strict: at the moment itself a row is still there.
var (
	// Of either kind: a client that a metadata document describes is made again
	// when somebody comes back with it.
	sweepClients = command("sweep clients", `DELETE FROM clients WHERE id IN (
		SELECT c.id FROM clients c WHERE c.authorized_at = 0 AND c.created_at < ?1
		-- A person may be looking at its consent page, or have approved it.
		AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.client_id = c.id AND a.expires_at >= ?3)
		AND NOT EXISTS (SELECT 1 FROM families f WHERE f.client_id = c.id)
		ORDER BY c.created_at LIMIT ?2)`)
	sweepUsedClients = command("sweep clients", `DELETE FROM clients WHERE id IN (
		SELECT c.id FROM clients c WHERE c.authorized_at <> 0 AND max(c.approved_at, c.authorized_at) < ?1
		AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.client_id = c.id AND a.expires_at >= ?3)
		AND NOT EXISTS (SELECT 1 FROM families f WHERE f.client_id = c.id)
		ORDER BY max(c.approved_at, c.authorized_at) LIMIT ?2)`)
	sweepRegistrations = command("sweep registrations", `DELETE FROM registrations WHERE id IN (
		SELECT id FROM registrations WHERE seen_at < ?1 ORDER BY seen_at LIMIT ?2)`)
	sweepRemovals = command("sweep removed clients", `DELETE FROM removed_clients WHERE id IN (
		SELECT id FROM removed_clients WHERE removed_at < ?1 ORDER BY removed_at LIMIT ?2)`)
	sweepRejections = command("sweep rejections", `DELETE FROM rejections WHERE id IN (
		SELECT id FROM rejections WHERE last_at < ?1 ORDER BY last_at LIMIT ?2)`)
	sweepConsents = command("sweep consents", `DELETE FROM consents WHERE (user_id, client_id, redirect_host, resource) IN (
		SELECT user_id, client_id, redirect_host, resource FROM consents WHERE granted_at < ?1 ORDER BY granted_at LIMIT ?2)`)
	sweepLogoutTokens = command("sweep logout tokens", `DELETE FROM logout_tokens WHERE hash IN (
		SELECT hash FROM logout_tokens WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)`)
	sweepSessions = command("sweep sessions", `DELETE FROM sessions WHERE hash IN (
		SELECT hash FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)`)
	sweepApprovals = command("sweep approvals", `DELETE FROM approvals WHERE id IN (
		SELECT id FROM approvals WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)`)
	sweepCodes = command("sweep codes", `DELETE FROM codes WHERE hash IN (
		SELECT hash FROM codes WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)`)
	sweepTokens = command("sweep access tokens", `DELETE FROM access_tokens WHERE hash IN (
		SELECT hash FROM access_tokens WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)`)
	// Generations and access tokens of a family go with it, by the schema.
	sweepFamilies = command("sweep families", `DELETE FROM families WHERE id IN (
		SELECT id FROM families WHERE ended_at < ?1 ORDER BY ended_at LIMIT ?2)`)
	sweepSealed = command("sweep sealed answers", `UPDATE generations SET sealed = NULL WHERE (family_id, gen) IN (
		SELECT family_id, gen FROM generations WHERE sealed IS NOT NULL AND rotated_at < ?1 ORDER BY rotated_at LIMIT ?2)`)
	sweepIdempotent = command("sweep idempotent writes", `DELETE FROM idempotent_writes WHERE key IN (
		SELECT key FROM idempotent_writes WHERE sent_at < ?1 ORDER BY sent_at LIMIT ?2)`)
)

// Sweep implements store.Sweeper. Each kind is an update of its own, so that
// other writers get their turn in between; on an error the counts say what was
// deleted before it. A limit of zero or less deletes nothing. Documents are not
// swept: their number is bounded by the lists of the host profiles, and the last
// good copy is wanted longest when its host does not answer any more.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (store.Swept, error) {
	var swept store.Swept
	if limit <= 0 {
		return swept, nil
	}
	for _, kind := range []struct {
		count   *int
		command *statement
		keep    time.Duration
	}{
		// Approvals come before the sessions and clients on which they hang.
		{&swept.Approvals, sweepApprovals, 0},
		{&swept.Sessions, sweepSessions, 0},
		{&swept.Codes, sweepCodes, store.KeepCode},
		{&swept.AccessTokens, sweepTokens, 0},
		{&swept.SealedAnswers, sweepSealed, store.KeepSealed},
		{&swept.Families, sweepFamilies, store.KeepFamily},
		{&swept.Clients, sweepClients, store.KeepUnusedClient},
		{&swept.Clients, sweepUsedClients, store.KeepUsedClient},
		// Twice the life of an id, so that none outlives what it names.
		{&swept.Registrations, sweepRegistrations, 2 * store.KeepUnusedClient},
		{&swept.Removals, sweepRemovals, store.KeepUnusedClient},
		{&swept.Rejections, sweepRejections, store.KeepRejection},
		{&swept.Consents, sweepConsents, store.KeepConsent},
		{&swept.IdempotentWrites, sweepIdempotent, store.KeepIdempotency},
		{&swept.LogoutTokens, sweepLogoutTokens, 0},
	} {
		args := []any{micros(now.Add(-kind.keep)), limit}
		if kind.command == sweepClients || kind.command == sweepUsedClients {
			args = append(args, micros(now))
		}
		n, err := s.sweep(ctx, kind.command, args)
		if err != nil {
			return swept, err
		}
		*kind.count += int(n)
	}
	return swept, nil
}

func (s *Store) sweep(ctx context.Context, command *statement, args []any) (deleted int64, err error) {
	e := s.open.Load()
	if e == nil {
		return 0, unavailable(command.op, errNotOpen)
	}
	err = e.writer.update(ctx, func(m *member) error {
		deleted, err = m.exec(ctx, command, args...)
		return err
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}
