package opaque

import (
	"fmt"
	"io"
)

// NewID returns 128 random bits in base64url: the id of a family, a user, an
// approval. It panics when rand fails, since nothing safe can follow.
func NewID(rand io.Reader) string {
	var id [idSize]byte
	mustRead(rand, id[:])
	return encoding.EncodeToString(id[:])
}

func decodeID(s string) (id [idSize]byte, ok bool) {
	if len(s) != encoding.EncodedLen(idSize) {
		return id, false
	}
	n, err := encoding.Decode(id[:], []byte(s))
	return id, err == nil && n == idSize
}

// encodeID is the inverse of what Mint does: the zero id stands for none.
func encodeID(id [idSize]byte) string {
	if id == ([idSize]byte{}) {
		return ""
	}
	return encoding.EncodeToString(id[:])
}

func mustRead(rand io.Reader, p []byte) {
	if _, err := io.ReadFull(rand, p); err != nil {
		panic(fmt.Sprintf("opaque: source of randomness: %v", err))
	}
}
