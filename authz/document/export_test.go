package document

import (
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// FreshFor is how long an answer with these headers stays fresh.
func FreshFor(h http.Header, now time.Time) time.Duration { return freshFor(h, now) }

// Hash is the metadata hash of a document.
func Hash(d Document) store.Hash { return d.hash() }

// Changes names the members in which two documents differ.
func Changes(a, b Document) []string { return a.changes(b) }

// RenewAfter is the age at which the row of an unapproved client is renewed.
const RenewAfter = renewAfter
