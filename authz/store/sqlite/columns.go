package sqlite

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// micros is t as it is stored: microseconds since 1970 UTC, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// jsonList is l as it is stored. A nil and an empty list are the same.
func jsonList(l []string) string {
	if len(l) == 0 {
		return "[]"
	}
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // a list of strings always marshals
	}
	return string(b)
}

// nullable is h as it is stored where the zero hash means "none".
func nullable(h store.Hash) any {
	if h == (store.Hash{}) {
		return nil
	}
	return h[:]
}

// blob is b as it is stored where empty means "none".
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// toTime, toList and toHash are scan targets: the inverse of the above.
type (
	toTime struct{ t *time.Time }
	toList struct{ l *[]string }
	toHash struct{ h *store.Hash }
)

// Scan implements sql.Scanner.
func (to toTime) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%w: time is %T", errMalformed, src)
	}
	*to.t = time.Time{}
	if v != 0 {
		*to.t = time.UnixMicro(v).UTC()
	}
	return nil
}

// Scan implements sql.Scanner.
func (to toList) Scan(src any) error {
	v, ok := src.(string)
	if !ok {
		return fmt.Errorf("%w: list is %T", errMalformed, src)
	}
	*to.l = nil
	if v == "[]" {
		return nil
	}
	if err := json.Unmarshal([]byte(v), to.l); err != nil {
		// The decoder's message would quote what it read.
		return fmt.Errorf("%w: list is not a JSON array of strings", errMalformed)
	}
	return nil
}

// Scan implements sql.Scanner.
func (to toHash) Scan(src any) error {
	*to.h = store.Hash{}
	if src == nil {
		return nil
	}
	v, ok := src.([]byte)
	if !ok || len(v) != len(to.h) {
		return fmt.Errorf("%w: hash is not %d bytes", errMalformed, len(to.h))
	}
	copy(to.h[:], v)
	return nil
}
