package appstore

import (
	"net/http"
	"sync"
	"time"
)

// ringSize is how many calls are remembered.
const ringSize = 10_000

// Request is one call as it arrived. What the token says is filled in only when
// the token was verified: nothing here comes from an unsigned claim.
type Request struct {
	At     time.Time
	Method string
	Path   string // escaped, as sent
	Query  string // raw
	// Header is the request's header without Authorization.
	Header    http.Header
	BodyBytes int

	PersonEmail   string
	DomainID      string
	Subject       string
	ClientID      string
	Actor         string
	Scope         string
	Permissions   []string
	TransactionID string // txn
	JTI           string

	// Status is the status of the answer; 0 when the connection was dropped.
	Status int
	// Refusal is why the call was refused before the route looked at it. Empty
	// when it was not.
	Refusal string
}

// describe fills in what a verified token says.
func (r *Request) describe(c *Claims) {
	r.PersonEmail, r.DomainID, r.Subject = c.Email, c.DomainID, c.Subject
	r.ClientID, r.Actor = c.ClientID, c.Actor.Subject
	r.Scope, r.Permissions = c.Scope, c.Permissions
	r.TransactionID, r.JTI = c.Transaction, c.ID
}

// recorder keeps the last calls.
type recorder struct {
	mu    sync.Mutex
	ring  []Request
	next  int
	posts int
}

func (r *recorder) add(call Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < ringSize {
		r.ring = append(r.ring, call)
		return
	}
	r.ring[r.next] = call
	r.next = (r.next + 1) % ringSize
}

// list returns the calls, oldest first.
func (r *recorder) list() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := make([]Request, 0, len(r.ring))
	calls = append(calls, r.ring[r.next:]...)
	return append(calls, r.ring[:r.next]...)
}

func (r *recorder) countPOST() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts++
}

func (r *recorder) postCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.posts
}
