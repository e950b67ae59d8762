package httpsig

import (
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dunglas/httpsfv"
)

// Why a signature is refused.
var (
	ErrMissing   = errors.New("httpsig: no signature with that tag")
	ErrMalformed = errors.New("httpsig: signature fields are not well-formed")
	ErrSignature = errors.New("httpsig: the signature does not verify")
	ErrAlgorithm = errors.New("httpsig: alg does not fit the key")
)

// maxField bounds each signature field, in bytes.
const maxField = 4 << 10

// Signature is one signature as it arrived. Nothing it says is true before
// Verify has returned nil.
type Signature struct {
	Components []string
	Params     Params

	params string // as @signature-params has it
	value  []byte
}

// Find returns the one signature with that tag. Other signatures, as proxies may
// add, are ignored. Errors are ErrMissing and ErrMalformed; two signatures with
// the tag are malformed, because one of them is not ours.
func Find(h http.Header, tag string) (*Signature, error) {
	inputs, err := dictionary(h, "Signature-Input")
	if err != nil {
		return nil, err
	}
	var found *Signature
	var label string
	for _, name := range inputs.Names() {
		member, _ := inputs.Get(name)
		list, ok := member.(httpsfv.InnerList)
		if !ok {
			return nil, fmt.Errorf("%w: an input is not a list", ErrMalformed)
		}
		if value, _ := list.Params.Get("tag"); value != tag {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: two signatures with the tag", ErrMalformed)
		}
		if found, err = parseInput(list); err != nil {
			return nil, err
		}
		label = name
	}
	if found == nil {
		return nil, ErrMissing
	}
	signatures, err := dictionary(h, "Signature")
	if err != nil {
		return nil, err
	}
	member, _ := signatures.Get(label)
	item, ok := member.(httpsfv.Item)
	if !ok {
		return nil, fmt.Errorf("%w: an input without its signature", ErrMalformed)
	}
	if found.value, ok = item.Value.([]byte); !ok {
		return nil, fmt.Errorf("%w: a signature is not a byte sequence", ErrMalformed)
	}
	return found, nil
}

func dictionary(h http.Header, name string) (*httpsfv.Dictionary, error) {
	values := h.Values(name)
	if len(values) == 0 {
		return nil, ErrMissing
	}
	size := 0
	for _, v := range values {
		size += len(v)
	}
	if size > maxField {
		return nil, fmt.Errorf("%w: %s is longer than %d bytes", ErrMalformed, name, maxField)
	}
	d, err := httpsfv.UnmarshalDictionary(values)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not a dictionary", ErrMalformed, name)
	}
	return d, nil
}

// parseInput reads the components and parameters of one signature.
func parseInput(list httpsfv.InnerList) (*Signature, error) {
	s := &Signature{}
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		// With a parameter a component has another value than we would compute.
		if !ok || len(item.Params.Names()) > 0 {
			return nil, fmt.Errorf("%w: a component with parameters", ErrMalformed)
		}
		if slices.Contains(s.Components, name) { // §2.5
			return nil, fmt.Errorf("%w: a component is named twice", ErrMalformed)
		}
		s.Components = append(s.Components, name)
	}
	for _, p := range []struct {
		name string
		to   any
	}{
		{"created", &s.Params.Created}, {"expires", &s.Params.Expires},
		{"nonce", &s.Params.Nonce}, {"keyid", &s.Params.KeyID}, {"alg", &s.Params.Alg}, {"tag", &s.Params.Tag},
	} {
		value, there := list.Params.Get(p.name)
		if !there {
			continue
		}
		ok := false
		switch to := p.to.(type) {
		case *string:
			*to, ok = value.(string)
		case *time.Time:
			var seconds int64
			if seconds, ok = value.(int64); ok {
				*to = time.Unix(seconds, 0)
			}
		}
		if !ok {
			return nil, fmt.Errorf("%w: parameter %s has another type", ErrMalformed, p.name)
		}
	}
	var err error
	if s.params, err = httpsfv.Marshal(list); err != nil {
		return nil, fmt.Errorf("%w: parameters", ErrMalformed)
	}
	return s, nil
}

// Covers says whether the signature covers all of these components.
func (s *Signature) Covers(components ...string) bool {
	return !slices.ContainsFunc(components, func(name string) bool { return !slices.Contains(s.Components, name) })
}

// Verify checks the signature over r with a public key that is for alg alone.
// The key decides about the algorithm; what the signature says of it must agree.
// Errors are ErrAlgorithm, ErrComponent and ErrSignature.
func (s *Signature) Verify(r *http.Request, alg string, key crypto.PublicKey) error {
	method, ok := methods[alg]
	if !ok || s.Params.Alg != "" && s.Params.Alg != alg {
		return ErrAlgorithm
	}
	text, err := base(r, s.Components, s.params)
	if err != nil {
		return err
	}
	if err := method.Verify(text, s.value, key); err != nil {
		return ErrSignature
	}
	return nil
}
