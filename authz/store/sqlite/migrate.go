package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationWait bounds the wait for another process, which may be migrating much.
const migrationWait = time.Minute

// migrate applies what is missing, each migration in a transaction of its own,
// so that a crash leaves a state from which the next start goes on.
func migrate(ctx context.Context, path string, log *slog.Logger) error {
	if err := createFile(path, log); err != nil {
		return err
	}
	unlock, err := lockMigration(ctx, path+".lock", log)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer unlock()

	db, err := sql.Open(driverName, writerDSN(path, migrationWait))
	if err != nil {
		return err
	}
	defer db.Close()
	return applyMigrations(ctx, db, log)
}

func applyMigrations(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > want {
		return fmt.Errorf("%w: it is at version %d, this program at %d", ErrNewerSchema, have, want)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	for _, m := range done {
		log.Info("database migrated", slog.Int64("version", m.Source.Version), slog.Duration("took", m.Duration))
	}
	return nil
}

// lockMigration takes the lock under which schemas change. It is the write
// lock of an empty database beside the real one: held across processes,
// portable, released by the system when its holder dies. The real database
// cannot serve, since the migrations themselves must write there.
func lockMigration(ctx context.Context, path string, log *slog.Logger) (unlock func(), err error) {
	if err := createFile(path, log); err != nil {
		return nil, err
	}
	db, err := sql.Open(driverName, dsn(path, migrationWait, nil))
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	unlock = func() {
		_ = conn.Close()
		_ = db.Close()
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}
