package httpsig

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"

	"github.com/dunglas/httpsfv"
)

// ErrDigest says that a body is not the one whose digest the message carries.
var ErrDigest = errors.New("httpsig: Content-Digest does not fit the body")

// CheckContentDigest compares body with the field Content-Digest (RFC 9530 §2).
// Each digest in it that is a SHA-256 or SHA-512 one must fit, and there must be
// one; others are ignored. Errors are ErrDigest.
func CheckContentDigest(h http.Header, body []byte) error {
	digests, err := dictionary(h, "Content-Digest")
	if err != nil {
		return fmt.Errorf("%w: absent or not well-formed", ErrDigest)
	}
	checked := false
	for _, name := range digests.Names() {
		var sum []byte
		switch name {
		case "sha-256":
			s := sha256.Sum256(body)
			sum = s[:]
		case "sha-512":
			s := sha512.Sum512(body)
			sum = s[:]
		default:
			continue
		}
		member, _ := digests.Get(name)
		item, _ := member.(httpsfv.Item)
		given, _ := item.Value.([]byte)
		if subtle.ConstantTimeCompare(given, sum) != 1 {
			return ErrDigest
		}
		checked = true
	}
	if !checked {
		return fmt.Errorf("%w: no algorithm that is known here", ErrDigest)
	}
	return nil
}
