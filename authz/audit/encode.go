package audit

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of one record, so that no client can fill the trail with one event.
const (
	// MaxValue is the longest value of a field, in bytes; what is cut ends in "…".
	MaxValue = 1 << 10
	// MaxList is the largest number of values of a list field; a longer one ends
	// in an entry that says how many were left out.
	MaxList = 64
)

const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// AppendJSON appends e to dst as one JSON object in one line, without a line
// end. Fields come in the order of Event, empty ones are left out. Values are
// bounded, credentials in them masked, control characters made spaces, and
// characters that reorder or hide text escaped, so that a terminal shows the
// line as it is.
func AppendJSON(dst []byte, e Event) []byte {
	dst = append(dst, '{')
	dst = appendField(dst, "event_name", e.Name)
	dst = appendField(dst, "timestamp", e.Time.UTC().Format(timeLayout))
	dst = appendField(dst, "event_id", e.ID)
	dst = appendField(dst, "node", e.Node)
	dst = appendField(dst, "domain_id", e.DomainID)
	dst = appendField(dst, "user_id", e.UserID)
	dst = appendField(dst, "user_email", e.UserEmail)
	dst = appendField(dst, "client_id", e.ClientID)
	dst = appendField(dst, "client_name", e.ClientName)
	dst = appendField(dst, "grant_id", e.GrantID)
	dst = appendField(dst, "resource", e.Resource)
	dst = appendField(dst, "tool_name", e.ToolName)
	dst = appendList(dst, "scopes", e.Scopes)
	dst = appendList(dst, "permissions", e.Permissions)
	dst = appendField(dst, "request_id", e.RequestID)
	dst = appendField(dst, "target_resource_id", e.TargetResourceID)
	dst = appendField(dst, "write_outcome", e.WriteOutcome)
	dst = appendField(dst, "telemetry.intent", e.Intent)
	dst = appendField(dst, "reason", string(e.Reason))
	dst = appendField(dst, "error_code", e.ErrorCode)
	dst = appendField(dst, "client_ip", e.ClientIP)
	if e.Duration > 0 {
		dst = appendName(dst, "duration_ms")
		dst = strconv.AppendFloat(dst, float64(e.Duration.Round(time.Microsecond))/float64(time.Millisecond), 'f', -1, 64)
	}
	dst = appendField(dst, "detail", e.Detail)
	if e.Count > 0 {
		dst = strconv.AppendInt(appendName(dst, "count"), int64(e.Count), 10)
	}
	return append(dst, '}')
}

func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendString(appendName(dst, name), value)
}

func appendList(dst []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if i == MaxList {
			dst = appendString(dst, "… and "+strconv.Itoa(len(values)-i)+" more")
			break
		}
		dst = appendString(dst, v)
	}
	return append(dst, ']')
}

// appendString masks before it cuts: half a credential is still a secret.
func appendString(dst []byte, s string) []byte {
	s = truncate(mask(s))
	dst = append(dst, '"')
	for _, r := range s { // invalid UTF-8 comes out as U+FFFD
		switch {
		case ' ' <= r && r < 0x7f && r != '"' && r != '\\':
			dst = append(dst, byte(r)) // nearly all there is: spare it the tables below
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case unicode.IsControl(r):
			dst = append(dst, ' ')
		case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			dst = appendEscaped(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// truncate cuts s to MaxValue bytes at the border of a character.
func truncate(s string) string {
	if len(s) <= MaxValue {
		return s
	}
	const mark = "…"
	end := MaxValue - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// appendEscaped writes r as \uXXXX, as a surrogate pair beyond the basic plane
// (RFC 8259 §7).
func appendEscaped(dst []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		return appendUnit(appendUnit(dst, 0xd800+(r>>10)), 0xdc00+(r&0x3ff))
	}
	return appendUnit(dst, r)
}

func appendUnit(dst []byte, unit rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[unit>>12&0xf], digits[unit>>8&0xf], digits[unit>>4&0xf], digits[unit&0xf])
}
