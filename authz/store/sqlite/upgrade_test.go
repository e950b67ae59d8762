package sqlite_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// versionOne makes a database of schema version 1 with a row of each lasting
// kind, written as the program of that version wrote them.
func versionOne(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "edge.db")
	db := raw(t, path)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile(filepath.Join("testdata", "version1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	execRaw(t, path, string(rows))
	return path
}

// oldAccess is what testdata/version1.sql says about its access token.
func oldAccess() store.Access {
	at := time.UnixMicro(1767225600000000).UTC()
	return store.Access{
		Token: store.AccessToken{
			Hash: repeated(0x44), FamilyID: "family", Scopes: []string{"appstore:read"}, IssuedAt: at, ExpiresAt: at.Add(time.Hour),
		},
		Family: store.Family{
			ID: "family", Domain: "acme", UserID: "user", Subject: "backend", ClientID: "confidential",
			Resource: "https://mcp.example/mcp", Scopes: []string{"appstore:read", "appstore:request"}, Gen: 2,
			CreatedAt: at, AbsoluteEnd: at.Add(720 * time.Hour), IdleEnd: at.Add(168 * time.Hour),
		},
		User: store.User{
			ID: "user", Domain: "acme", Issuer: "https://idp.example", Subject: "subject", Email: "a@example.com", Name: "Ann",
			Groups: []string{"staff"}, CreatedAt: at, SignedIn: at,
		},
		Client: store.Client{
			ID: "confidential", Profile: "claude", Name: "Claude", RedirectURIs: []string{"https://c.example/cb"},
			GrantTypes: []string{"authorization_code", "refresh_token"}, AuthMethod: "client_secret_post", SecretHash: repeated(0x11),
			Scope: "appstore:read", ApplicationType: "web", SoftwareID: "software", SoftwareVersion: "1",
			CreatedAt: at, AuthorizedAt: at.Add(time.Minute),
		},
	}
}

func repeated(b byte) (h store.Hash) {
	for i := range h {
		h[i] = b
	}
	return h
}

func TestADatabaseOfVersionOneAnswersAsBeforeAfterTheUpgrade(t *testing.T) {
	path := versionOne(t)
	s := migrated(t, path)
	ctx := t.Context()
	want := oldAccess()

	access, err := s.Access(ctx, want.Token.Hash)
	if diff := cmp.Diff(want, access); err != nil || diff != "" {
		t.Errorf("access: %v (-want +got):\n%s", err, diff)
	}
	public := store.Client{
		ID: "public", Profile: "cursor", Name: "Cursor", RedirectURIs: []string{"http://127.0.0.1/cb"},
		GrantTypes: []string{"authorization_code"}, AuthMethod: "none", ApplicationType: "native", CreatedAt: want.Family.CreatedAt,
	}
	client, err := s.Client(ctx, "public")
	if diff := cmp.Diff(public, client); err != nil || diff != "" {
		t.Errorf("client: %v (-want +got):\n%s", err, diff)
	}
	if _, err := s.Generation(ctx, "family", 2); err != nil {
		t.Errorf("generation: %v", err)
	}
	if _, err := s.Document(ctx, "public"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("document: %v, want not found", err)
	}
	for _, check := range []string{"integrity_check", "foreign_key_check"} {
		checkPragma(t, path, check)
	}
}

func TestADatabaseOfVersionOneTakesTheNewRowsAfterTheUpgrade(t *testing.T) {
	s := migrated(t, versionOne(t))
	ctx := t.Context()
	changed := oldAccess().Client
	changed.Kind, changed.UpdatedAt, changed.MetadataHash = "document", changed.CreatedAt.Add(time.Hour), repeated(0x55)
	put := changed
	put.CreatedAt, put.AuthorizedAt = time.Time{}, time.Time{}
	document := store.Document{URL: "https://c.example/client.json", Body: []byte("{}"), FetchedAt: put.UpdatedAt, ExpiresAt: put.UpdatedAt}
	err := s.Update(ctx, func(tx store.Tx) error {
		return errors.Join(tx.PutClient(ctx, put), tx.SaveDocument(ctx, document))
	})
	if err != nil {
		t.Fatal(err)
	}
	access, err := s.Access(ctx, oldAccess().Token.Hash)
	if diff := cmp.Diff(changed, access.Client); err != nil || diff != "" {
		t.Errorf("client: %v (-want +got):\n%s", err, diff)
	}
	got, err := s.Document(ctx, document.URL)
	if diff := cmp.Diff(document, got); err != nil || diff != "" {
		t.Errorf("document: %v (-want +got):\n%s", err, diff)
	}
	// The client that nobody approved, an old row, is swept as ever.
	swept, err := s.Sweep(ctx, changed.CreatedAt.Add(store.KeepUnusedClient+time.Hour), 10)
	if err != nil || swept.Clients != 1 {
		t.Errorf("swept %+v (%v), want the unused client", swept, err)
	}
}

func TestAnUpgradeThatFailsLeavesVersionOneAsItWas(t *testing.T) {
	path := versionOne(t)
	execRaw(t, path, "CREATE TABLE documents (in_the_way TEXT)") // made last
	if err := migrateOnce(path); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("error is %v, want unavailable", err)
	}
	var schema string
	err := raw(t, path).QueryRowContext(t.Context(), "SELECT sql FROM sqlite_schema WHERE name = 'clients'").Scan(&schema)
	if err != nil || strings.Contains(schema, "metadata_hash") {
		t.Errorf("half of the upgrade is there (%v):\n%s", err, schema)
	}
	execRaw(t, path, "DROP TABLE documents")
	if _, err := migrated(t, path).Access(t.Context(), oldAccess().Token.Hash); err != nil {
		t.Errorf("access after the next upgrade: %v", err)
	}
}

func TestTheProgramOfVersionOneGoesOnBesideTheNewSchema(t *testing.T) {
	path := versionOne(t)
	if err := migrateOnce(path); err != nil {
		t.Fatal(err)
	}
	// The statement with which version 1 creates clients.
	execRaw(t, path, `INSERT INTO clients (id, profile, name, redirect_uris, grant_types,
		auth_method, secret_hash, scope, application_type, software_id, software_version, created_at, authorized_at)
		VALUES ('late', '', '', '[]', '[]', 'none', NULL, '', '', '', '', 1, 0)`)
	got, err := migrated(t, path).Client(t.Context(), "late")
	want := store.Client{ID: "late", AuthMethod: "none", CreatedAt: time.UnixMicro(1).UTC()}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("client: %v (-want +got):\n%s", err, diff)
	}
}
