package hostile_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// junk are values that parsers stumble over.
var junk = []string{
	"", " ", "\x00", "\xff\xfe", "\r\n\r\n", "%00", "%zz", "%252e", "../../etc/passwd", `"`, `\`, "'--", "<script>", "\u202e", "\u200b", "ﬀ", "\U0001F600", "null", "true", "-1", "0", "1e309", "NaN",
	"99999999999999999999999", "[]", "{}", `{"a":1,"a":2}`, "__proto__", "constructor", "https://" + evil + "/", "http://127.0.0.1:1@" + evil + "/", "http://localhost:99999/", "javascript:alert(1)", "data:,x",
	"lma_x.y", "lmr_x.y", "lmc_x.y", "lms_x.y", "lmg_x.y", "eyJhbGciOiJub25lIn0.e30.", "plain", "S256", "code token", "none login", "appstore:read appstore:read", `a"b`, "openid offline_access", "*", "\t", "a=b&c=d", ";", "+",
}

// long is a value of a length that somebody bounded.
func long(r *rand.Rand) string {
	lengths := []int{43, 44, 128, 129, 2048, 2049, 4096, 8191, 8193, 33 << 10, 65 << 10}
	return strings.Repeat(string(rune('a'+r.IntN(26))), lengths[r.IntN(len(lengths))])
}

func anyJunk(r *rand.Rand) string {
	if r.IntN(12) == 0 {
		return long(r)
	}
	return junk[r.IntN(len(junk))]
}

// mutate returns a copy of s with none to four changes.
func mutate(r *rand.Rand, s shot) shot {
	s.header = s.header.Clone()
	if s.params != nil {
		params := make(url.Values, len(s.params))
		for name, values := range s.params {
			params[name] = slices.Clone(values)
		}
		s.params = params
	}
	for range r.IntN(5) {
		switch n := r.IntN(20); {
		case n == 0:
			methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions, "BREW"}
			s.method = methods[r.IntN(len(methods))]
		case n == 1:
			s.address += "/~" // marks a changed path
		case n <= 4:
			mutateHeader(r, s.header)
		case s.params != nil && n <= 17:
			mutateParams(r, s.params)
		default:
			s.body = mutateText(r, s.body)
		}
	}
	return s
}

func mutateHeader(r *rand.Rand, h http.Header) {
	names := []string{
		"Content-Type", "Authorization", "Accept", "Origin", "Cookie", "Content-Encoding", "Sec-Fetch-Site", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id",
		"If-None-Match", "Range", "Expect", "Accept-Encoding", "X-Forwarded-For", "Dpop", "Access-Control-Request-Method", "Accept-Language", "Te", "X-Y",
	}
	name := names[r.IntN(len(names))]
	if name == "Expect" || name == "Te" { // "100-continue" and "trailers" are all that HTTP/2 carries
		name = "X-Z"
	}
	values := []string{
		"", "*", "null", "application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded; charset=x", "text/plain", "multipart/form-data; boundary=x", "Bearer ", "Bearer x", "Basic x",
		"Basic " + "Og==", "Basic bG1jbF94Onk=", "DPoP x", "gzip", "bytes=0-1", "cross-site", "2026-07-28", "2025-03-26", "tools/call", "=?base64?@?=", "=?base64?c2VhcmNoX2FwcHM=?=", "__Host-mcp_edge_session=x; __Host-mcp_edge_tx_a=y",
	}
	value := values[r.IntN(len(values))]
	if r.IntN(20) == 0 {
		value = long(r)
	}
	switch r.IntN(4) {
	case 0:
		h.Del(name)
	case 1:
		h.Add(name, value)
	default:
		h.Set(name, value)
	}
}

func mutateParams(r *rand.Rand, p url.Values) {
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names) // the order of a map is not the seed's
	if len(names) == 0 {
		p.Set("x", anyJunk(r))
		return
	}
	name, other := names[r.IntN(len(names))], names[r.IntN(len(names))]
	switch r.IntN(8) {
	case 0:
		p.Del(name)
	case 1:
		p.Add(name, p.Get(name))
	case 2:
		p.Add(name, anyJunk(r))
	case 3:
		p.Set(name, p.Get(other))
	case 4:
		p.Set(name, mutateText(r, p.Get(name)))
	case 5:
		p.Set(anyJunk(r), p.Get(name))
	case 6:
		p.Set(strings.ToUpper(name), p.Get(name))
	default:
		p.Set(name, anyJunk(r))
	}
}

// mutateText changes a text by a few bytes, or by half.
func mutateText(r *rand.Rand, s string) string {
	b := []byte(s)
	at := 0
	if len(b) > 0 {
		at = r.IntN(len(b))
	}
	switch r.IntN(7) {
	case 0:
		return s[:at]
	case 1:
		return s[at:]
	case 2:
		return s + s
	case 3:
		return s[:at] + anyJunk(r) + s[at:]
	case 4:
		end := min(len(s), at+1+r.IntN(12))
		return s[:at] + anyJunk(r) + s[end:]
	case 5:
		return s[:at] + s[at/2:at] + s[at:]
	}
	if len(b) > 0 {
		b[at] ^= 1 << r.IntN(8)
	}
	return string(b)
}
