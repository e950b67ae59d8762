package audit

import (
	"regexp"
	"strings"
)

// redacted stands where a credential stood.
const redacted = "[redacted]"

// Shapes of credentials. This is the last line of defence: no caller may put
// one into an event, but what one does by mistake must not reach a SIEM. They
// ask for enough characters to be a secret, so that an address such as
// wilma_jones@example.com stays readable.
var (
	// Our own opaque credentials, whole or cut.
	opaqueShape = regexp.MustCompile(`lm[acrsgx]_(?:[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]{16,}|[A-Za-z0-9_-]{24,})`)
	// JSON Web Tokens: base64url of `{"xyz":`, or of `{"` with a second part.
	jwtShape = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{4}iOi[A-Za-z0-9._-]*|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9._-]{10,}`)
	// Values of an Authorization header (RFC 6750 §2.1, RFC 7617 §2).
	headerShape = regexp.MustCompile(`(?i:bearer|dpop)[\s=:]+[^\s"]+|Basic\s+[A-Za-z0-9+/]{16,}=*`)
	// Client ids are public and random, and may hold any of the above by chance.
	clientIDShape = regexp.MustCompile(`^lmcl_[A-Za-z0-9_-]{22}$`)
)

func mask(s string) string {
	if strings.Contains(s, "lm") && !clientIDShape.MatchString(s) {
		s = opaqueShape.ReplaceAllLiteralString(s, redacted)
	}
	if strings.Contains(s, "eyJ") && !clientIDShape.MatchString(s) {
		s = jwtShape.ReplaceAllLiteralString(s, redacted)
	}
	if strings.ContainsAny(s, " \t\r\n\v\f=") { // most values have none and skip the costly search
		s = headerShape.ReplaceAllLiteralString(s, redacted)
	}
	return s
}
