package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// HoldTurn takes the writer's turn, so that updates queue up until release.
func (s *Store) HoldTurn() (release func()) {
	turns := &s.open.Load().writer.turns
	if _, err := turns.await(context.Background()); err != nil {
		panic(err)
	}
	return turns.release
}

// Queue returns a function that tells how many wait for the turn. It goes on to
// work after Close.
func (s *Store) Queue() func() int {
	turns := &s.open.Load().writer.turns
	return func() int {
		turns.mu.Lock()
		defer turns.mu.Unlock()
		return turns.queue.Len()
	}
}

// LimitPages makes the database full at that many pages more than it has; less
// than zero lifts the limit.
func (s *Store) LimitPages(ctx context.Context, more int) error {
	defer s.HoldTurn()()
	w := s.open.Load().writer
	w.drop()
	w.dsn, _, _ = strings.Cut(w.dsn, "&_pragma=max_page_count")
	if err := w.connect(ctx); err != nil || more < 0 {
		return err
	}
	var pages int
	err := w.conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages)
	w.drop()
	w.dsn += fmt.Sprintf("&_pragma=max_page_count(%d)", pages+more)
	return err
}

// ExecIn runs any SQL inside a transaction.
func ExecIn(ctx context.Context, t store.Tx, text string) error {
	m := t.(*tx).writes.(*member)
	_, err := m.writer.conn.ExecContext(ctx, text)
	return m.judge(&statement{op: "test"}, err)
}

// Plans returns SQLite's plan of each statement that runs for requests.
func (s *Store) Plans(ctx context.Context) (map[string][]string, error) {
	defer s.HoldTurn()()
	plans := map[string][]string{}
	for _, st := range statements {
		verb, _, _ := strings.Cut(st.text, " ")
		if st.census {
			continue
		}
		if verb != "SELECT" && verb != "UPDATE" && verb != "DELETE" && verb != "INSERT" {
			continue
		}
		args := make([]any, strings.Count(st.text, "?"))
		rows, err := s.open.Load().writer.conn.QueryContext(ctx, "EXPLAIN QUERY PLAN "+st.text, args...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", st.op, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return nil, err
			}
			plans[st.text] = append(plans[st.text], detail)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	return plans, nil
}
