package discovery

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"time"
)

// JWKS serves the public signing keys, which change when keys rotate. It is safe
// for concurrent use.
type JWKS struct {
	life   time.Duration
	source func() []byte
	last   atomic.Pointer[Document]
}

// NewJWKS makes the document of the public signing keys; serve it at JWKSPath.
// source returns the key set of now (RFC 7517 §5), of which anyone may keep a
// copy for life: a key must be in it that long before it signs.
func NewJWKS(life time.Duration, source func() []byte) *JWKS {
	return &JWKS{life: life, source: source}
}

// ServeHTTP answers as Document does.
func (j *JWKS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	keys := j.source()
	d := j.last.Load()
	if d == nil || !bytes.Equal(d.body, keys) {
		d = documentOf(keys, j.life)
		j.last.Store(d)
	}
	d.ServeHTTP(w, r)
}
