package assertion

import "github.com/teamlumos/mcp-edge/mcpbridge/httpsig"

// MessageTag is the tag parameter, and the label, of the HTTP Message Signature
// that may stand beside an assertion (RFC 9421 §2.3).
const MessageTag = "mcp-edge"

// MessageComponents are what that signature covers: all that a request of the
// gateway means, but for the host, which a proxy on the way may change; aud and
// htu of the assertion name it. The Authorization header ties the person to it.
func MessageComponents(body bool) []string {
	components := []string{"@method", "@path", "@query", "authorization"}
	if body {
		components = append(components, "content-digest", "content-type")
	}
	return components
}

// MessageAlgorithm returns the name in RFC 9421 §6.2.2 of a JOSE algorithm, or ""
// for one that signs no assertion.
func MessageAlgorithm(alg string) string {
	switch alg {
	case EdDSA:
		return httpsig.Ed25519
	case ES256:
		return httpsig.ECDSAP256SHA256
	}
	return ""
}
