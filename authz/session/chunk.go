package session

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what one browser keeps for pending requests.
const (
	// maxTransactions is how many may wait in one browser; the oldest goes first.
	maxTransactions = 8
	// maxChunk keeps a cookie under the 4096 bytes that browsers must accept.
	maxChunk = 3500
	// maxChunks bounds one transaction, maxCookieBytes all of a browser: servers
	// and proxies cap the size of request headers.
	maxChunks      = 4
	maxCookieBytes = 16 << 10
)

// writeChunks sets the cookies of a sealed transaction. The count in front of
// the first tells which cookies belong to it.
func writeChunks(w http.ResponseWriter, id, sealed string) error {
	chunks := slices.Collect(slices.Chunk([]byte(sealed), maxChunk))
	if len(chunks) > maxChunks {
		return fmt.Errorf("session: a transaction of %d bytes is too large", len(sealed))
	}
	for i, chunk := range chunks {
		value := string(chunk)
		if i == 0 {
			value = strconv.Itoa(len(chunks)) + "." + value
		}
		setCookie(w, transactionPrefix+id+"_"+strconv.Itoa(i), value, TransactionLifetime)
	}
	return nil
}

// joinChunks reads what writeChunks wrote.
func joinChunks(r *http.Request, id string) (string, bool) {
	var sealed strings.Builder
	n := 1
	for i := 0; i < n; i++ {
		c, err := r.Cookie(transactionPrefix + id + "_" + strconv.Itoa(i))
		if err != nil {
			return "", false
		}
		value := c.Value
		if i == 0 {
			count, rest, ok := strings.Cut(value, ".")
			if n, err = strconv.Atoi(count); !ok || err != nil || n < 1 || n > maxChunks {
				return "", false
			}
			value = rest
		}
		sealed.WriteString(value)
	}
	return sealed.String(), true
}

// evict drops the oldest transactions of the browser until a new one of size
// bytes fits.
func evict(w http.ResponseWriter, r *http.Request, size int) {
	sizes := map[string]int{}
	for _, c := range r.Cookies() {
		if id, ok := transactionOf(c.Name); ok {
			sizes[id] += len(c.Value)
		}
	}
	ids := make([]string, 0, len(sizes))
	for id := range sizes {
		ids = append(ids, id)
	}
	slices.Sort(ids) // oldest first: an id begins with its time
	slices.Reverse(ids)
	kept, total := 1, size
	dropped := map[string]bool{}
	for _, id := range ids {
		if kept++; kept > maxTransactions || total+sizes[id] > maxCookieBytes {
			dropped[id] = true
			continue
		}
		total += sizes[id]
	}
	for _, c := range r.Cookies() {
		id, ok := transactionOf(c.Name)
		if !ok {
			id, _ = strings.CutPrefix(c.Name, upstreamPrefix)
		}
		if dropped[id] {
			dropCookie(w, c.Name)
		}
	}
}

// transactionOf returns the id in the name of a transaction's cookie.
func transactionOf(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, transactionPrefix)
	if !ok {
		return "", false
	}
	id, _, ok := strings.Cut(rest, "_")
	return id, ok
}
