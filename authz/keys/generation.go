package keys

import (
	"bytes"
	"crypto"
	"fmt"
	"sync/atomic"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// generation is the signing keys of one stored document.
type generation struct {
	raw    []byte // the document, to tell whether it changed
	keys   []key  // by useFrom
	public [][]byte
	view   atomic.Pointer[view]
}

// view is what holds between two of the document's times.
type view struct {
	from, until time.Time         // from included; until excluded, zero for no end
	signers     map[string]signer // by algorithm
	jwks        []byte
}

type signer struct {
	kid string
	key crypto.Signer
}

func newGeneration(raw []byte, keys []key) (*generation, error) {
	g := &generation{raw: raw, keys: keys}
	for _, k := range keys {
		public := k.material.(crypto.Signer).Public()
		jwk, err := jose.JSONWebKey{Key: public, KeyID: k.id, Algorithm: k.alg, Use: "sig"}.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode a public key: %w", err)
		}
		g.public = append(g.public, jwk)
	}
	return g, nil
}

// at returns what holds now. It is computed anew only when one of the document's
// times has passed.
func (g *generation) at(now time.Time) *view {
	if v := g.view.Load(); v != nil && !now.Before(v.from) && (v.until.IsZero() || now.Before(v.until)) {
		return v
	}
	v := &view{from: now, signers: make(map[string]signer, 2)}
	var published [][]byte
	for i, k := range g.keys {
		// Of the keys whose time has come the latest signs. The clock of this node
		// may show a time before the first one's; that one signs then.
		if _, some := v.signers[k.alg]; !some || !now.Before(k.useFrom) {
			v.signers[k.alg] = signer{kid: k.id, key: k.material.(crypto.Signer)}
		}
		if k.acceptUntil.IsZero() || now.Before(k.acceptUntil) {
			published = append(published, g.public[i])
		}
		v.endsAt(k.useFrom)
		v.endsAt(k.acceptUntil)
	}
	v.jwks = []byte(`{"keys":[` + string(bytes.Join(published, []byte(","))) + `]}`)
	g.view.Store(v)
	return v
}

// endsAt shortens the view to a time that is still to come.
func (v *view) endsAt(t time.Time) {
	if t.After(v.from) && (v.until.IsZero() || t.Before(v.until)) {
		v.until = t
	}
}
