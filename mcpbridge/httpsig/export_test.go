package httpsig

import (
	"crypto"
	"net/http"
)

// BaseOf returns the signature base.
func BaseOf(r *http.Request, components []string, p Params) string {
	params, _, err := signatureParams(components, p)
	if err != nil {
		panic(err)
	}
	text, err := base(r, components, params)
	if err != nil {
		panic(err)
	}
	return text
}

// FindLabel reads a signature without a tag, as the test vectors have none.
func FindLabel(h http.Header, label string) (*Signature, error) {
	h = h.Clone()
	s, err := Find(http.Header{
		"Signature-Input": {h.Get("Signature-Input") + `;tag="x"`}, "Signature": h["Signature"],
	}, "x")
	if err != nil {
		return nil, err
	}
	s.params = h.Get("Signature-Input")[len(label)+1:]
	return s, nil
}

// VerifyBase checks a signature over a base that is given.
func VerifyBase(text string, signature []byte, alg string, key crypto.PublicKey) error {
	return methods[alg].Verify(text, signature, key)
}
