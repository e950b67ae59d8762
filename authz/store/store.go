package store

import (
	"context"
	"errors"
	"time"
)

// Errors that engines return. Anything else that goes wrong in an engine is
// wrapped so that errors.Is(err, ErrUnavailable) holds.
var (
	// ErrNotFound says that no such row exists.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a row with that key exists already.
	ErrConflict = errors.New("already exists")
	// ErrUnavailable says that the engine could not answer or could not commit;
	// after it the caller does not know whether a commit took place.
	ErrUnavailable = errors.New("store unavailable")
)

// Store is a whole engine. Consumers name the narrow part that they use.
type Store interface {
	Reader
	ClientLister
	PersonFinder
	RejectionReader
	Updater
	Sweeper
	// Migrate brings the schema up to date, under a lock where several nodes
	// share the store. It is called before anything else.
	Migrate(ctx context.Context) error
	// Close releases the engine. Nothing may be called after it.
	Close() error
}

// Reader reads committed state outside a transaction. Every method returns
// ErrNotFound or an error that is ErrUnavailable.
type Reader interface {
	ClientReader
	RegistrationReader
	DocumentReader
	UserReader
	SessionReader
	ApprovalReader
	ConsentReader
	GrantReader
}

// Updater runs read-modify-write steps.
type Updater interface {
	// Update runs fn in one transaction and commits it durably when fn returns
	// nil; otherwise nothing is changed and fn's error is returned as it is.
	// Rows that fn reads through tx are locked against other updates until the
	// end. Lock order: user, then family, then its children. fn may run twice.
	Update(ctx context.Context, fn func(tx Tx) error) error
}

// Tx is a transaction: reads take locks, writes become visible at commit.
type Tx interface {
	Reader
	ClientWriter
	RegistrationWriter
	RejectionWriter
	DocumentWriter
	UserWriter
	SessionWriter
	ApprovalWriter
	ConsentWriter
	GrantWriter
}

// Sweeper removes what is past its use.
type Sweeper interface {
	// Sweep deletes at most limit rows of each kind that ended before their
	// retention at time now, and says how many were deleted of each kind.
	// Documents have no end: there are no more than host profiles list.
	Sweep(ctx context.Context, now time.Time, limit int) (Swept, error)
}

// Swept counts deleted rows.
type Swept struct {
	Clients, Registrations, Removals, Rejections, Sessions, Approvals, Consents, Codes, AccessTokens, Families, SealedAnswers int
}

// Most is the largest of the counts.
func (s Swept) Most() int {
	return max(s.Clients, s.Registrations, s.Removals, s.Rejections, s.Sessions, s.Approvals, s.Consents, s.Codes,
		s.AccessTokens, s.Families, s.SealedAnswers)
}

// Retention of rows after their end.
const (
	// KeepUnusedClient is how long a client that nobody ever approved lives,
	// whatever its kind, and what is kept to recognise the id of one.
	KeepUnusedClient = 24 * time.Hour
	// KeepUsedClient is how long a client lives after its last approval, unless a
	// grant of it is kept, live or ended.
	KeepUsedClient = 180 * 24 * time.Hour
	// KeepRejection is how long a rejection stays that is not repeated, and
	// KeepRejections how many stay at most.
	KeepRejection  = 30 * 24 * time.Hour
	KeepRejections = 500
	// KeepConsent is how long a consent is remembered.
	KeepConsent = 90 * 24 * time.Hour
	// KeepCode is how long a code row stays after its expiry, so that a replay
	// is recognised as one.
	KeepCode = 24 * time.Hour
	// KeepFamily is how long an ended family stays, for audit and theft detection.
	KeepFamily = 30 * 24 * time.Hour
	// KeepSealed is how long the sealed answer of a rotation stays: the longest
	// rotation grace that can be configured. Past it nobody can be answered with
	// it any more.
	KeepSealed = 10 * time.Minute
)

// Hash is a SHA-256, mostly of an opaque credential; credentials themselves are
// never stored.
type Hash [32]byte

// KindDocument is the kind of client that a metadata document describes.
const KindDocument = "document"

// Client is an OAuth client: one that registered itself (RFC 7591), or one that
// a client id metadata document describes.
type Client struct {
	ID      string
	Kind    string // "" = dynamically registered, KindDocument = ID is the URL of its metadata document
	Profile string // id of the host profile that its redirect URIs matched
	Name    string // display name, cleaned
	// RedirectURIs are the admitted ones, exact strings.
	RedirectURIs    []string
	GrantTypes      []string
	AuthMethod      string // token_endpoint_auth_method: none, client_secret_post, client_secret_basic
	SecretHash      Hash   // zero for public clients
	Scope           string // as registered, space separated; informative
	ApplicationType string
	SoftwareID      string
	SoftwareVersion string
	CreatedAt       time.Time
	AuthorizedAt    time.Time // first approval; zero = never, then the sweeper may remove it
	ApprovedAt      time.Time // last approval; zero = as AuthorizedAt
	UpdatedAt       time.Time // when its metadata was last written; zero = at CreatedAt
	// MetadataHash is over the metadata on which consent depends; zero = not tracked.
	MetadataHash Hash
	// RegistrationHash is of its registration access token (RFC 7592 §3); zero =
	// it cannot manage itself.
	RegistrationHash Hash
}

// ClientReader reads clients.
type ClientReader interface {
	Client(ctx context.Context, id string) (Client, error)
}

// ClientWriter writes clients.
type ClientWriter interface {
	// CreateClient inserts c; ErrConflict when the id exists or was removed.
	CreateClient(ctx context.Context, c Client) error
	// PutClient inserts c, or replaces the client with that id. CreatedAt and
	// AuthorizedAt of an existing one stay where those of c are zero, so that who
	// writes metadata need not know what happened meanwhile.
	PutClient(ctx context.Context, c Client) error
	// MarkClientAuthorized sets ApprovedAt, and AuthorizedAt if it is zero.
	MarkClientAuthorized(ctx context.Context, id string, at time.Time) error
	// DeleteClient removes it.
	DeleteClient(ctx context.Context, id string) error
	// RemoveClient removes it, if it has a row, and keeps its id from coming back
	// for KeepUnusedClient: for longer, no id without a row is good.
	RemoveClient(ctx context.Context, id string, at time.Time) error
}

// Document is the last good copy of a client id metadata document, as it was
// fetched. Nil and empty bodies are the same.
type Document struct {
	URL       string // the client id, exact string
	Body      []byte
	FetchedAt time.Time
	ExpiresAt time.Time // from then on it is fetched again; it stays readable
}

// DocumentReader reads copies of metadata documents.
type DocumentReader interface {
	Document(ctx context.Context, url string) (Document, error)
}

// DocumentWriter writes copies of metadata documents.
type DocumentWriter interface {
	// SaveDocument inserts d, or replaces the copy with that URL.
	SaveDocument(ctx context.Context, d Document) error
}

// User is a person as the identity provider described them at the last sign-in.
// The key of a person is (Domain, Issuer, Subject), never the e-mail address.
type User struct {
	ID        string // ours, random
	Domain    string
	Issuer    string
	Subject   string
	Email     string
	Name      string
	Groups    []string
	CreatedAt time.Time
	SignedIn  time.Time // last sign-in
}

// UserReader reads people.
type UserReader interface {
	User(ctx context.Context, id string) (User, error)
}

// UserWriter writes people.
type UserWriter interface {
	// UpsertUser inserts u, or updates e-mail, name, groups and sign-in time of
	// the person with that (Domain, Issuer, Subject), and returns the stored
	// row: ID and CreatedAt of an existing one are kept.
	UpsertUser(ctx context.Context, u User) (User, error)
}

// Session is a person's browser session at the authorization server.
type Session struct {
	Hash      Hash // of the cookie value
	UserID    string
	AuthTime  time.Time // when the identity provider authenticated the person
	CreatedAt time.Time
	ExpiresAt time.Time
}

// SessionReader reads browser sessions.
type SessionReader interface {
	Session(ctx context.Context, h Hash) (Session, error)
}

// SessionWriter writes browser sessions.
type SessionWriter interface {
	CreateSession(ctx context.Context, s Session) error
	// DeleteSession removes it and its pending approvals; no error if absent.
	DeleteSession(ctx context.Context, h Hash) error
	// DeleteUserSessions removes all sessions and pending approvals of a person.
	DeleteUserSessions(ctx context.Context, userID string) error
}

// Approval is an authorization request that a signed-in person has not yet
// answered. It exists only after sign-in and is consumed by the answer.
type Approval struct {
	ID          string // random, in the consent page's address
	SessionHash Hash
	CSRFHash    Hash // of the one-time form token
	UserID      string
	Subject     string // the person's id at the backend of Resource
	ClientID    string
	RedirectURI string // the full string that was sent; the code is bound to it
	State       string
	Resource    string
	Scopes      []string
	Challenge   string // PKCE S256
	AuthTime    time.Time
	CreatedAt   time.Time
	ExpiresAt   time.Time
	// Ask says that the client wants the person to be asked, remembered or not.
	Ask bool
}

// ApprovalReader reads pending approvals.
type ApprovalReader interface {
	Approval(ctx context.Context, id string) (Approval, error)
}

// ApprovalWriter writes pending approvals.
type ApprovalWriter interface {
	CreateApproval(ctx context.Context, a Approval) error
	// SetApprovalCSRF replaces the form token's hash (the page was shown again).
	SetApprovalCSRF(ctx context.Context, id string, csrf Hash) error
	// DeleteApproval removes it; ErrNotFound when it is gone already, so that of
	// two answers to one page exactly one wins.
	DeleteApproval(ctx context.Context, id string) error
	// DeleteApprovalsOfClient removes all that wait for an answer about a client.
	DeleteApprovalsOfClient(ctx context.Context, clientID string) error
}

// Code is an authorization code (RFC 6749 §4.1.2).
type Code struct {
	Hash        Hash
	FamilyID    string // the family that its redemption creates
	UserID      string
	Domain      string
	Subject     string
	ClientID    string
	RedirectURI string
	Resource    string
	Scopes      []string
	Challenge   string
	AuthTime    time.Time
	IssuedAt    time.Time
	ExpiresAt   time.Time
	ConsumedAt  time.Time // zero = not yet
	Failures    int       // wrong verifiers so far
	RevokedAt   time.Time // zero = not
}

// Family is one approval's grant with everything issued under it: one current
// refresh token, its predecessors, its access tokens.
type Family struct {
	ID          string
	Domain      string
	UserID      string
	Subject     string // the person's id at the backend of Resource
	ClientID    string
	Resource    string
	Scopes      []string
	Gen         uint32 // generation of the current refresh token, from 1
	CreatedAt   time.Time
	AbsoluteEnd time.Time
	IdleEnd     time.Time
	RevokedAt   time.Time // zero = live
	RevokedWhy  string    // a reason.Reason or "user", "client", "admin"
}

// Generation is one refresh token of a family. (FamilyID, Gen) is unique in
// every engine, so that a fork is impossible by constraint.
type Generation struct {
	FamilyID  string
	Gen       uint32
	Hash      Hash
	CreatedAt time.Time
	RotatedAt time.Time // zero = current
	Sealed    []byte    // the successor pair, sealed under this token; nil after the grace
}

// AccessToken is one issued access token.
type AccessToken struct {
	Hash      Hash
	FamilyID  string
	Scopes    []string // may be narrower than the family's
	IssuedAt  time.Time
	ExpiresAt time.Time
	RevokedAt time.Time // zero = live
}

// Access is what one read answers about an access token: the token with its
// family, person and client.
type Access struct {
	Token  AccessToken
	Family Family
	User   User
	Client Client
}

// GrantReader reads codes, families and tokens.
type GrantReader interface {
	Code(ctx context.Context, h Hash) (Code, error)
	Family(ctx context.Context, id string) (Family, error)
	Generation(ctx context.Context, familyID string, gen uint32) (Generation, error)
	AccessToken(ctx context.Context, h Hash) (AccessToken, error)
	// Access is the one statement of the hot path.
	Access(ctx context.Context, h Hash) (Access, error)
	// LiveFamiliesOfUser lists families that are neither revoked nor past their
	// end at time now, newest first.
	LiveFamiliesOfUser(ctx context.Context, userID string, now time.Time) ([]Family, error)
	// LiveFamiliesOfClient lists those of a client, in the same way.
	LiveFamiliesOfClient(ctx context.Context, clientID string, now time.Time) ([]Family, error)
}

// GrantWriter writes codes, families and tokens.
type GrantWriter interface {
	CreateCode(ctx context.Context, c Code) error
	// SaveCode stores ConsumedAt, Failures and RevokedAt.
	SaveCode(ctx context.Context, c Code) error
	CreateFamily(ctx context.Context, f Family) error
	// SaveFamily stores Gen, IdleEnd, RevokedAt and RevokedWhy.
	SaveFamily(ctx context.Context, f Family) error
	// CreateGeneration returns ErrConflict when (FamilyID, Gen) exists.
	CreateGeneration(ctx context.Context, g Generation) error
	// SaveGeneration stores RotatedAt and Sealed.
	SaveGeneration(ctx context.Context, g Generation) error
	CreateAccessToken(ctx context.Context, a AccessToken) error
	// SaveAccessToken stores RevokedAt.
	SaveAccessToken(ctx context.Context, a AccessToken) error
	// PruneGenerations deletes the generations of a family that are older than gen
	// and were rotated before that moment.
	PruneGenerations(ctx context.Context, familyID string, gen uint32, before time.Time) error
	// RevokeCodesOfUser marks all unredeemed codes of a person revoked, of one
	// client if clientID is not empty.
	RevokeCodesOfUser(ctx context.Context, userID, clientID string, at time.Time) error
	// RevokeCodesOfClient marks all unredeemed codes of a client revoked.
	RevokeCodesOfClient(ctx context.Context, clientID string, at time.Time) error
}
