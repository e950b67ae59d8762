package audit

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// ids makes event ids: UUIDs of version 7 (RFC 9562 §5.7) that sort in the
// order in which they were made on a node, even when its clock steps back. It is
// not safe for concurrent use.
type ids struct {
	rand io.Reader
	last uint64 // milliseconds << 12 | counter
}

// next returns an id for an event at time now.
func (g *ids) next(now time.Time) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(g.rand, b[8:]); err != nil {
		return "", fmt.Errorf("event id: %w", err)
	}
	// The 12 bits after the version count within a millisecond and carry into
	// the time when they overflow (RFC 9562 §6.2, method 1).
	stamp := uint64(max(now.UnixMilli(), 0)) << 12
	if stamp <= g.last {
		stamp = g.last + 1
	}
	g.last = stamp
	for i := range 6 {
		b[i] = byte(stamp >> (52 - 8*i))
	}
	b[6] = 0x70 | byte(stamp>>8)&0x0f
	b[7] = byte(stamp)
	b[8] = 0x80 | b[8]&0x3f

	var text [36]byte
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:36], b[10:16])
	for _, i := range []int{8, 13, 18, 23} {
		text[i] = '-'
	}
	return string(text[:]), nil
}
