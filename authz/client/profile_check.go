package client

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

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
	// A built-in profile may wait for what only an operator knows.
	if !p.BuiltIn && !p.Ready() {
		return fmt.Errorf("client %q: without redirect URI, loopback or metadata document nothing could ever match it", p.ID)
	}
	if p.RotationGrace < 0 {
		return fmt.Errorf("client %q: the rotation grace is negative", p.ID)
	}
	for _, list := range []struct {
		what   string
		values []string
		check  func(string) error
	}{
		{"redirect URI", p.RedirectURIs, p.checkRedirect},
		{"loopback path", p.LoopbackPaths, p.checkLoopbackPath},
		{"metadata document", p.MetadataDocuments, checkDocument},
		{"custom scheme", p.CustomSchemes, checkScheme},
	} {
		for _, value := range list.values {
			if err := list.check(value); err != nil {
				return fmt.Errorf("client %q: %s %q: %w", p.ID, list.what, value, err)
			}
		}
	}
	_, err := p.templates()
	return err
}

func (p *Profile) checkRedirect(uri string) error {
	u, err := oauth.ParseRedirectURI(uri)
	switch {
	case err != nil:
		return err
	case isTemplate(uri):
		return errTemplate
	case u.Scheme == "https", u.Scheme == "http", slices.Contains(p.CustomSchemes, uri):
		return nil
	}
	return errors.New("want https, http on localhost, 127.0.0.1 or [::1], or a private-use scheme that the built-in profile lists")
}

// checkLoopbackPath accepts no path at all for built-in profiles only, whose
// products send an address that is a host alone.
func (p *Profile) checkLoopbackPath(path string) error {
	if path == AnyPath || path == "" && p.BuiltIn {
		return nil
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?*{}") {
		return errors.New("want a path that begins with '/', without query, or '*' alone")
	}
	_, err := oauth.ParseRedirectURI("http://127.0.0.1" + path)
	return err
}

func checkDocument(document string) error {
	if u, err := oauth.ParseRedirectURI(document); err != nil || u.Scheme != "https" || len(u.Path) < 2 {
		return errors.New("want an https URL with a path")
	}
	if isTemplate(document) {
		return errTemplate
	}
	return nil
}

func checkScheme(uri string) error {
	if u, err := oauth.ParseRedirectURI(uri); err != nil || u.Scheme == "https" || u.Scheme == "http" {
		return errors.New("want a URI with a private-use scheme")
	}
	return nil
}

func isTemplate(s string) bool { return strings.ContainsAny(s, "{}") }

var errTemplate = errors.New("holds a placeholder; want the exact string")

// portText writes a port as it stands in a URI.
func portText(port uint16) string { return strconv.Itoa(int(port)) }
