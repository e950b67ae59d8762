package client

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// AnyPath in LoopbackPaths admits every path on the person's computer.
const AnyPath = "*"

// How a product comes to its client id, in Profile.Registers.
const (
	ByDocument = "document" // the address of a client id metadata document
	ByRequest  = "dynamic"  // dynamic registration (RFC 7591)
	ByHand     = "by_hand"  // somebody registers it and types the id in
)

// How sure the facts of a profile are, in Profile.Confidence.
const (
	Documented = "documented" // by the vendor, or read in the product's source
	Reported   = "reported"   // by people who ran it
	Inferred   = "inferred"   // nothing is published
)

// Profile is one assistant product as an administrator allows it by name. It is
// shared and must not be changed.
type Profile struct {
	// ID names it in the configuration: lower-case letters, digits and '-'.
	ID string
	// Name is shown to people.
	Name string
	// Vendor makes the product.
	Vendor string
	// Aliases are other names under which the product registers itself.
	Aliases []string
	// BuiltIn says that MCP Edge ships the profile.
	BuiltIn bool
	// Hosted says that the product runs in a cloud, not on the person's computer.
	Hosted bool

	// RedirectURIs are admitted as exact strings; of loopback ones the port does
	// not count.
	RedirectURIs []string
	// LoopbackPaths are the paths that are admitted on localhost, 127.0.0.1 and
	// [::1] with any port (RFC 8252 §7.3); AnyPath admits all.
	LoopbackPaths []string
	// MetadataDocuments are its client id metadata documents.
	MetadataDocuments []string
	// CustomSchemes are redirect URIs that the product sends beside others and
	// that are left out of its registration, because any app can claim a scheme.
	// One that an operator puts into RedirectURIs too is admitted.
	CustomSchemes []string
	// RedirectTemplates, LoopbackTemplates and DocumentTemplates hold {names}.
	// They admit nothing until Expand has made exact strings of them.
	RedirectTemplates, LoopbackTemplates, DocumentTemplates []string

	// LoopbackHosts, LoopbackPorts and AnyPort say what the product listens on by
	// itself. They decide between profiles that admit the same address and admit
	// nothing.
	LoopbackHosts []string
	LoopbackPorts []uint16
	AnyPort       bool

	// Registers lists how it comes to a client id, AuthMethods what it asks for
	// at the token endpoint; both most wanted first.
	Registers, AuthMethods []string
	// RotationGrace is how long its rotated refresh tokens still get the same
	// answer; zero stands for the server's setting.
	RotationGrace time.Duration

	// Needs says what an operator does beyond allowing it; empty for nothing.
	Needs string
	// Notes are what an operator should know about it.
	Notes []string
	// Sources are where the facts were read.
	Sources []Source
	// Confidence is Documented, Reported or Inferred.
	Confidence string
}

// Source is a public page with facts about a product.
type Source struct {
	URL string `json:"url"`
	// Date is when it was written or read, as far as it is known: YYYY, YYYY-MM
	// or YYYY-MM-DD.
	Date string `json:"date"`
}

// Date is the newest date of the sources, or "" without any.
func (p *Profile) Date() string {
	newest := ""
	for _, s := range p.Sources {
		newest = max(newest, s.Date)
	}
	return newest
}

// Ready says whether anything can match the profile. One whose addresses are
// templates or unknown needs more from the operator.
func (p *Profile) Ready() bool {
	return len(p.RedirectURIs)+len(p.LoopbackPaths)+len(p.MetadataDocuments) > 0
}

// fate is what a profile says of one redirect URI.
type fate int

const (
	unknown fate = iota
	admitted
	dropped
)

// judge decides about a redirect URI that ParseRedirectURI accepted.
func (p *Profile) judge(uri string, parsed *url.URL) fate {
	if slices.ContainsFunc(p.RedirectURIs, func(known string) bool {
		return known == uri || parsed.Scheme == "http" && oauth.MatchRedirectURI(known, uri)
	}) {
		return admitted
	}
	if p.admitsLoopback(uri, parsed) {
		return admitted
	}
	if slices.Contains(p.CustomSchemes, uri) {
		return dropped
	}
	return unknown
}

// admitsLoopback compares uri with the same host without port and each admitted
// path, so that host and port are judged by the one rule for redirect URIs.
func (p *Profile) admitsLoopback(uri string, parsed *url.URL) bool {
	const scheme = "http://"
	if len(p.LoopbackPaths) == 0 || parsed.Scheme != "http" || !strings.HasPrefix(uri, scheme) {
		return false
	}
	host := loopbackHost(parsed)
	for _, path := range p.LoopbackPaths {
		if path == AnyPath {
			path = uri[len(scheme)+len(parsed.Host):]
		}
		if oauth.MatchRedirectURI(scheme+host+path, uri) {
			return true
		}
	}
	return false
}

// loopbackHost is the host of u without port, with the brackets of an address
// of IPv6.
func loopbackHost(u *url.URL) string { return strings.TrimSuffix(u.Host, ":"+u.Port()) }

// habit says how much a loopback address is like what the product does: 2 for
// its own host and port, 1 for its host and a port that may be its own.
func (p *Profile) habit(parsed *url.URL) int {
	if parsed.Scheme != "http" || !slices.Contains(p.LoopbackHosts, loopbackHost(parsed)) {
		return 0
	}
	port := parsed.Port()
	switch {
	case slices.ContainsFunc(p.LoopbackPorts, func(own uint16) bool { return portText(own) == port }):
		return 2
	case port == "" || p.AnyPort:
		return 1
	}
	return 0
}

// Recognizes says whether name is one under which the product registers itself:
// its name or an alias in any case, also with a label of the person's own in
// brackets behind it.
func (p *Profile) Recognizes(name string) bool {
	matches := func(known string) bool {
		if len(name) < len(known) || !strings.EqualFold(name[:len(known)], known) {
			return false
		}
		rest := name[len(known):]
		return rest == "" || strings.HasPrefix(rest, " (") && strings.HasSuffix(rest, ")")
	}
	return matches(p.Name) || slices.ContainsFunc(p.Aliases, matches)
}

// DisplayName is the name that people see for a client of the profile that
// calls itself name, which is cleaned already. A name that is not the
// product's own might be borrowed and is marked.
func (p *Profile) DisplayName(name string) string {
	if name == "" || p.Recognizes(name) {
		return p.Name
	}
	return name + " (unverified)"
}
