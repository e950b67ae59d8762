package storetest

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// base is the moment at which the sample rows are made.
var base = time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC)

// hash is a distinct hash for each name.
func hash(name string) store.Hash { return sha256.Sum256([]byte(name)) }

// The sample rows. Each has a distinct value in every field, so that a mix-up of
// two columns shows.

func sampleClient(id string) store.Client {
	return store.Client{
		ID: id, Kind: "kind of " + id, Profile: "profile of " + id, Name: "name of " + id,
		RedirectURIs: []string{"https://" + id + ".example/cb", "http://127.0.0.1/cb"},
		GrantTypes:   []string{"authorization_code", "refresh_token"},
		AuthMethod:   "client_secret_basic", SecretHash: hash("secret of " + id),
		Scope: "apps:read requests:write", ApplicationType: "web", SoftwareID: "software", SoftwareVersion: "1.2.3",
		CreatedAt: base, AuthorizedAt: base.Add(time.Minute), ApprovedAt: base.Add(2 * time.Minute), UpdatedAt: base.Add(time.Second),
		MetadataHash: hash("metadata of " + id), RegistrationHash: hash("registration token of " + id),
	}
}

// documentClient is a client as a metadata document describes it.
func documentClient(url string) store.Client {
	return store.Client{
		ID: url, Kind: "document", Profile: "profile of " + url, Name: "name of " + url,
		RedirectURIs: []string{url + "/cb"}, GrantTypes: []string{"authorization_code"}, AuthMethod: "none",
		ApplicationType: "native", CreatedAt: base, UpdatedAt: base, MetadataHash: hash("metadata of " + url),
	}
}

func sampleDocument(url string) store.Document {
	return store.Document{
		URL: url, Body: []byte(`{"client_id":"` + url + `"}`), FetchedAt: base, ExpiresAt: base.Add(time.Hour),
	}
}

func sampleUser(id string) store.User {
	return store.User{
		ID: id, Domain: "domain of " + id, Issuer: "https://idp.example/" + id, Subject: "subject of " + id,
		Email: id + "@example.com", Name: "name of " + id, Groups: []string{"staff", "admins"},
		CreatedAt: base, SignedIn: base.Add(time.Second),
	}
}

// atIDP is the session at the identity provider of a row with that name.
func atIDP(name string) string { return "idp session of " + name }

func sampleSession(name, userID string) store.Session {
	return store.Session{
		Hash: hash(name), UserID: userID,
		AuthTime: base.Add(-time.Minute), CreatedAt: base, ExpiresAt: base.Add(8 * time.Hour), IDPSession: atIDP(name),
	}
}

func sampleApproval(id, session, userID, clientID string) store.Approval {
	return store.Approval{
		ID: id, SessionHash: hash(session), CSRFHash: hash("form of " + id), UserID: userID,
		Subject: "backend subject", ClientID: clientID, RedirectURI: "https://cb.example/cb?x=1", State: "state of " + id,
		Resource: "https://mcp.example/mcp", Scopes: []string{"apps:read", "requests:write"}, Challenge: "challenge of " + id,
		AuthTime: base.Add(-time.Minute), CreatedAt: base, ExpiresAt: base.Add(10 * time.Minute), Ask: true,
	}
}

func sampleRegistration(id string) store.Registration {
	c := sampleClient(id)
	return store.Registration{
		ID: id, Fold: hash("fold of " + id), CreatedAt: base, SeenAt: base.Add(time.Minute),
		Client: store.Client{
			Profile: c.Profile, Name: c.Name, RedirectURIs: c.RedirectURIs, GrantTypes: c.GrantTypes, AuthMethod: c.AuthMethod,
			Scope: c.Scope, ApplicationType: c.ApplicationType, SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion,
		},
	}
}

func sampleRejection(id string) store.Rejection {
	return store.Rejection{
		ID: id, Kind: "kind of " + id, ClientName: "name of " + id, RedirectURIs: []string{"https://" + id + ".example/cb"},
		Document: "https://" + id + ".example/client.json", Profile: "profile of " + id, Reason: "client/no_profile",
		Advice: "advice on " + id, ClientIP: "192.0.2.1", Count: 1, FirstAt: base, LastAt: base.Add(time.Minute),
	}
}

func sampleConsent(userID, clientID string) store.Consent {
	return store.Consent{
		UserID: userID, ClientID: clientID, RedirectHost: clientID + ".example", Resource: "https://mcp.example/mcp",
		Scopes: []string{"apps:read", "requests:write"}, MetadataHash: hash("metadata of " + clientID), GrantedAt: base,
	}
}

func sampleCode(name, userID, clientID string) store.Code {
	return store.Code{
		Hash: hash(name), FamilyID: "family of " + name, UserID: userID, Domain: "domain", Subject: "backend subject",
		ClientID: clientID, RedirectURI: "https://cb.example/cb", Resource: "https://mcp.example/mcp",
		Scopes: []string{"apps:read"}, Challenge: "challenge of " + name,
		AuthTime: base.Add(-time.Minute), IssuedAt: base, ExpiresAt: base.Add(time.Minute), IDPSession: atIDP(name),
	}
}

func sampleFamily(id, userID, clientID string) store.Family {
	return store.Family{
		ID: id, Domain: "domain", UserID: userID, Subject: "backend subject", ClientID: clientID,
		Resource: "https://mcp.example/mcp", Scopes: []string{"apps:read", "requests:write"}, Gen: 1,
		CreatedAt: base, AbsoluteEnd: base.Add(30 * 24 * time.Hour), IdleEnd: base.Add(7 * 24 * time.Hour),
		IDPSession: atIDP(id),
	}
}

func sampleGeneration(familyID string, gen uint32) store.Generation {
	return store.Generation{FamilyID: familyID, Gen: gen, Hash: hash("refresh of " + familyID), CreatedAt: base}
}

func sampleToken(name, familyID string) store.AccessToken {
	return store.AccessToken{
		Hash: hash(name), FamilyID: familyID, Scopes: []string{"apps:read"},
		IssuedAt: base, ExpiresAt: base.Add(time.Hour),
	}
}

func sampleIdempotentWrite(name string) store.IdempotentWrite {
	return store.IdempotentWrite{Key: hash(name), Digest: hash("arguments of " + name), SentAt: base}
}

// seed stores a client "client", a document "document", a user "user" with a session "session", and a
// family "family" with its first generation and an access token "token".
func seed(t *testing.T, s store.Store) {
	t.Helper()
	update(t, s, Seed)
}

// Seed stores one row of each lasting kind: a client "client", a document
// "document", a user "user" with a session, a family "family" with its first
// generation and an access token with the hash SeededToken. Benchmarks of
// engines start from it.
func Seed(ctx context.Context, tx store.Tx) error {
	if err := tx.CreateClient(ctx, sampleClient("client")); err != nil {
		return err
	}
	if err := tx.SaveDocument(ctx, sampleDocument("document")); err != nil {
		return err
	}
	if _, err := tx.UpsertUser(ctx, sampleUser("user")); err != nil {
		return err
	}
	if err := tx.CreateSession(ctx, sampleSession("session", "user")); err != nil {
		return err
	}
	if err := tx.CreateFamily(ctx, sampleFamily("family", "user", "client")); err != nil {
		return err
	}
	if err := tx.CreateGeneration(ctx, sampleGeneration("family", 1)); err != nil {
		return err
	}
	return tx.CreateAccessToken(ctx, sampleToken("token", "family"))
}

// SeededToken is the hash of the access token that Seed stores.
func SeededToken() store.Hash { return hash("token") }
