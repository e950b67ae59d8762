package backend

import (
	"context"
	"net/http"
)

// renewal is what signs a request again.
type renewal struct {
	credential Credential
	request    *Request
}

type renewalKey struct{}

// Renewable reports whether Renew can give a request with this context another
// credential: whether it is a read that a Client sends.
func Renewable(ctx context.Context) bool {
	_, ok := ctx.Value(renewalKey{}).(*renewal)
	return ok
}

// Renew gives a read a credential of its own before a transport sends it a second
// time: a credential is good for one delivery, and a backend that remembers them
// refuses the second. A request that cannot be renewed loses its credential.
func Renew(out *http.Request) {
	ctx := out.Context()
	r, ok := ctx.Value(renewalKey{}).(*renewal)
	if !ok || r.credential.Apply(ctx, out, r.request) != nil {
		out.Header.Del("Authorization")
	}
}
