package store

import (
	"context"
	"time"
)

// Registration is the metadata that any number of dynamic registrations share
// (RFC 7591). Its clients have ids that name it and no row of their own before a
// person approves one, so that registering costs nothing that grows.
type Registration struct {
	ID   string // ours, random; part of the ids of its clients
	Fold Hash   // over what makes two registrations the same; unique
	// Client is what each of its clients is: no id, no secret, no times.
	Client    Client
	CreatedAt time.Time
	SeenAt    time.Time // when somebody last registered so
}

// RegistrationReader reads folded registrations.
type RegistrationReader interface {
	Registration(ctx context.Context, id string) (Registration, error)
	// RegistrationByFold finds the one that is the same.
	RegistrationByFold(ctx context.Context, fold Hash) (Registration, error)
	// ClientRemoved says whether RemoveClient ended that id.
	ClientRemoved(ctx context.Context, id string) (bool, error)
}

// RegistrationWriter writes folded registrations.
type RegistrationWriter interface {
	// SaveRegistration inserts r, or moves SeenAt of the one with the same Fold,
	// and returns the stored row: what else an existing one has is kept.
	SaveRegistration(ctx context.Context, r Registration) (Registration, error)
}

// Rejection is a registration, or a client's metadata document, that was refused
// because nothing allows its addresses: what an operator may want to admit.
type Rejection struct {
	ID           string // of what was refused: the same attempt has the same id
	Kind         string // "" = dynamic registration, KindDocument = a metadata document
	ClientName   string // what it called itself, cleaned; proves nothing
	RedirectURIs []string
	Document     string // address of the metadata document
	Profile      string // known here, but no domain allows it; "" = no profile fits
	Reason       string // a reason.Reason
	Advice       string // what would admit it, in words of ours
	ClientIP     string // of the last attempt
	Count        int    // attempts
	FirstAt      time.Time
	LastAt       time.Time
}

// RejectionReader reads rejections.
type RejectionReader interface {
	// Rejections lists the newest ones by LastAt, newest first.
	Rejections(ctx context.Context, limit int) ([]Rejection, error)
}

// RejectionWriter writes rejections.
type RejectionWriter interface {
	// SaveRejection inserts r, or adds r.Count to the one with that ID and replaces
	// all but FirstAt. Beyond KeepRejections the ones seen longest ago go.
	SaveRejection(ctx context.Context, r Rejection) error
	// DeleteRejection removes it; ErrNotFound when it is gone.
	DeleteRejection(ctx context.Context, id string) error
}

// Consent is what a person approved for a client, so that they need not be asked
// the same again.
type Consent struct {
	UserID       string
	ClientID     string
	RedirectHost string
	Resource     string
	Scopes       []string
	MetadataHash Hash // of the client then; another one asks again
	GrantedAt    time.Time
}

// ConsentKey is what a Consent is found by.
type ConsentKey struct{ UserID, ClientID, RedirectHost, Resource string }

// Key returns the key of c.
func (c Consent) Key() ConsentKey {
	return ConsentKey{c.UserID, c.ClientID, c.RedirectHost, c.Resource}
}

// ConsentReader reads remembered consents.
type ConsentReader interface {
	Consent(ctx context.Context, key ConsentKey) (Consent, error)
}

// ConsentWriter writes remembered consents.
type ConsentWriter interface {
	// SaveConsent inserts c, or replaces the one with its key.
	SaveConsent(ctx context.Context, c Consent) error
	// DeleteConsents forgets those of a person, of one client if clientID is not
	// empty, or those of a client if userID is empty.
	DeleteConsents(ctx context.Context, userID, clientID string) error
}

// ClientSummary is a client as an operator's list shows it.
type ClientSummary struct {
	Client
	LiveGrants int
	// LastGrantAt is when the newest of its kept grants began; zero = none is kept.
	LastGrantAt time.Time
}

// ClientLister lists clients for operators.
type ClientLister interface {
	// Clients lists clients whose id comes after that one in byte order, at most
	// limit, with their grants at time now.
	Clients(ctx context.Context, after string, limit int, now time.Time) ([]ClientSummary, error)
}
