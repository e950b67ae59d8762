package client

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// AnyPath in LoopbackPaths admits every path on the person's computer.
const AnyPath = "*"

// Profile is one assistant product as an administrator allows it by name. It is
// shared and must not be changed.
type Profile struct {
	// ID names it in the configuration: lower-case letters, digits and '-'.
	ID string
	// Name is shown to people.
	Name string
	// Aliases are other names under which the product registers itself.
	Aliases []string
	// BuiltIn says that the product ships it.
	BuiltIn bool
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
	CustomSchemes []string
	// RotationGrace is how long its rotated refresh tokens still get the same
	// answer; zero stands for the server's setting.
	RotationGrace time.Duration
	// Source and Date say where and when (YYYY-MM-DD) the facts were read.
	Source, Date string
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
	if slices.ContainsFunc(p.RedirectURIs, func(known string) bool { return oauth.MatchRedirectURI(known, uri) }) {
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
	host := strings.TrimSuffix(parsed.Host, ":"+parsed.Port())
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

var profileID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// check refuses what could not work or would admit more than was meant.
func (p *Profile) check() error {
	if !profileID.MatchString(p.ID) {
		return fmt.Errorf("client %q: an id has 1 to 64 lower-case letters, digits and '-'", p.ID)
	}
	for _, name := range append([]string{p.Name}, p.Aliases...) {
		if cleaned, ok := cleanText(name); !ok || cleaned == "" || cleaned != name {
			return fmt.Errorf("client %q: the name %q is empty, too long or holds characters that are not shown", p.ID, name)
		}
	}
	if len(p.RedirectURIs)+len(p.LoopbackPaths)+len(p.MetadataDocuments) == 0 {
		return fmt.Errorf("client %q: without redirect URI, loopback or metadata document nothing could ever match it", p.ID)
	}
	for _, uri := range p.RedirectURIs {
		if err := checkWeb(uri); err != nil {
			return fmt.Errorf("client %q: redirect URI %q: %w", p.ID, uri, err)
		}
	}
	for _, path := range p.LoopbackPaths {
		if err := checkLoopbackPath(path); err != nil {
			return fmt.Errorf("client %q: loopback path %q: %w", p.ID, path, err)
		}
	}
	for _, document := range p.MetadataDocuments {
		if u, err := oauth.ParseRedirectURI(document); err != nil || u.Scheme != "https" || len(u.Path) < 2 {
			return fmt.Errorf("client %q: metadata document %q: want an https URL with a path", p.ID, document)
		}
	}
	for _, uri := range p.CustomSchemes {
		if u, err := oauth.ParseRedirectURI(uri); err != nil || u.Scheme == "https" || u.Scheme == "http" {
			return fmt.Errorf("client %q: custom scheme %q: want a URI with a private-use scheme", p.ID, uri)
		}
	}
	if p.RotationGrace < 0 {
		return fmt.Errorf("client %q: the rotation grace is negative", p.ID)
	}
	return nil
}

func checkWeb(uri string) error {
	u, err := oauth.ParseRedirectURI(uri)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("want https, or http on localhost, 127.0.0.1 or [::1]")
	}
	return nil
}

func checkLoopbackPath(path string) error {
	if path == AnyPath {
		return nil
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?*") {
		return errors.New("want a path that begins with '/', without query, or '*' alone")
	}
	_, err := oauth.ParseRedirectURI("http://127.0.0.1" + path)
	return err
}
