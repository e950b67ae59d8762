package caddymodule

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// The checks of this file are made twice: while a Caddyfile is adapted, so that
// the message has file and line, and on the loaded configuration, which may
// have been JSON. A value that still holds a placeholder is checked only then.

// holdsPlaceholder says whether s is known only when the configuration is loaded.
func holdsPlaceholder(s string) bool { return strings.Contains(s, "{") }

// checkIssuer accepts an origin as RFC 8414 §2 and RFC 9207 §2 compare it, byte
// for byte: https, or http on this computer.
func checkIssuer(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("issuer %q is not a URL like https://auth.example.com", s)
	case strings.HasSuffix(s, "/"):
		return fmt.Errorf("issuer %q ends with a slash: clients compare it byte for byte, write %s", s, strings.TrimRight(s, "/"))
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || u.User != nil:
		return fmt.Errorf("issuer %q has more than scheme and host: write %s://%s", s, u.Scheme, u.Host)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Errorf("issuer %q is not https: http is accepted for localhost only", s)
	case u.Scheme+"://"+u.Host != s || strings.ToLower(u.Host) != u.Host:
		return fmt.Errorf("issuer %q is not in its usual spelling: write %s", s, strings.ToLower(u.Scheme+"://"+u.Host))
	case usualHost(u) != u.Host:
		return fmt.Errorf("issuer %q names the default port: write %s://%s", s, u.Scheme, usualHost(u))
	}
	return nil
}

// checkResource accepts a resource identifier (RFC 8707 §2, RFC 9728 §1.2) in
// the one spelling in which it is published.
func checkResource(s, path string) error {
	canonical, err := oauth.CanonicalResource(s)
	if err != nil {
		return fmt.Errorf("resource %q: %w", s, err)
	}
	if canonical != s {
		return fmt.Errorf("resource %q is not in its usual spelling: write %s", s, canonical)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("resource %q is not a URL", s)
	case u.Scheme != "https" && !isLoopback(u.Hostname()):
		return fmt.Errorf("resource %q is not https: http is accepted for localhost only", s)
	case u.RawQuery != "":
		return fmt.Errorf("resource %q has a query: a resource is scheme, host and path", s)
	case u.EscapedPath() != path:
		return fmt.Errorf("resource %q and path %q differ: the resource is the public URL of that path", s, path)
	}
	return nil
}

// checkPath accepts the path of an MCP endpoint in its one spelling.
func checkPath(s string) error {
	u, err := url.Parse(s)
	switch {
	case !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//"):
		return fmt.Errorf("path %q does not begin with one slash", s)
	case strings.ContainsAny(s, "*?#{}\\ ") || err != nil || u.EscapedPath() != s || strings.Contains(s, "%"):
		return fmt.Errorf("path %q is not one plain path: mcp_bridge answers at exactly one, like /mcp/appstore", s)
	case s == "/" || strings.HasSuffix(s, "/"):
		return fmt.Errorf("path %q ends with a slash: write one like /mcp/appstore", s)
	case strings.HasPrefix(s, "/.well-known/"):
		return fmt.Errorf("path %q lies under /.well-known, which is kept for discovery", s)
	case strings.Contains(s, "/../") || strings.Contains(s, "/./") || strings.Contains(s, "//"):
		return fmt.Errorf("path %q is not in its shortest form", s)
	}
	return nil
}

// checkAudience accepts the origin that the backend's assertions are made for.
func checkAudience(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return fmt.Errorf("audience %q is not a URL like https://api.example.com", s)
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || u.User != nil:
		return fmt.Errorf("audience %q has more than scheme and host: write %s://%s", s, u.Scheme, u.Host)
	}
	return nil
}

// checkOrigin accepts what a browser sends as Origin (RFC 6454 §6.2).
func checkOrigin(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme == "" || s != strings.ToLower(u.Scheme+"://"+u.Host) {
		return fmt.Errorf("origin %q is not scheme and host in lower case, like https://inspector.example.com", s)
	}
	return nil
}

// manyTenants matches the addresses at which Entra ID signs in people of any
// company, whom it lets claim any e-mail address, and the template that its
// metadata has there. Sources:
// https://github.com/MicrosoftDocs/azure-docs/issues/38427 and
// https://github.com/obot-platform/obot/issues/1780.
var manyTenants = regexp.MustCompile(`^https://login\.microsoftonline\.(com|us)/(common|organizations|consumers|\{tenant(id)?\})(/|$)`)

// checkIDPIssuer accepts the issuer of an OpenID provider (OpenID Connect
// Discovery 1.0 §3): https, or http on this computer.
func checkIDPIssuer(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Contains(s, "#"):
		return fmt.Errorf("identity provider %q is not an issuer URL like https://example.okta.com", s)
	case manyTenants.MatchString(s):
		return fmt.Errorf("identity provider %q is of every tenant, not of one: write the issuer with the tenant's id, like https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0", s)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Errorf("identity provider %q is not https: http is accepted for localhost only", s)
	}
	return nil
}

var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkDomainName accepts the part of an e-mail address after the @, in lower case.
func checkDomainName(s string) error {
	if len(s) > 253 || !domainName.MatchString(s) {
		return fmt.Errorf("domain %q is not an e-mail domain in lower case, like example.com", s)
	}
	return nil
}

var profileID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// checkProfileID accepts the id of a host profile.
func checkProfileID(s string) error {
	if !profileID.MatchString(s) {
		return fmt.Errorf("client %q is not an id of lower case letters, digits and dashes", s)
	}
	return nil
}

// checkRedirect accepts a redirect address of a host profile.
func checkRedirect(s string) error {
	u, err := oauth.ParseRedirectURI(s)
	switch {
	case err != nil:
		return fmt.Errorf("redirect_uri %q: %w", s, err)
	case oauth.IsLoopbackRedirect(s):
		return fmt.Errorf("redirect_uri %q is on this computer: write loopback %s", s, u.EscapedPath())
	}
	return nil
}

// checkLoopbackPath accepts a path of loopback redirects, or "*".
func checkLoopbackPath(s string) error {
	if s != "*" && !strings.HasPrefix(s, "/") {
		return fmt.Errorf("loopback path %q does not begin with a slash", s)
	}
	return nil
}

// validate checks lifetimes with their defaults filled in.
func (t Tokens) validate() error {
	for _, b := range []struct {
		name     string
		value    caddy.Duration
		min, max time.Duration
	}{
		{"code", t.Code, minCode, maxCode},
		{"access", t.Access, minAccess, maxAccess},
		{"refresh", t.Refresh, minRefresh, maxRefresh},
		{"refresh_idle", t.RefreshIdle, minRefresh, maxRefresh},
		{"rotation_grace", t.RotationGrace, minGrace, maxGrace},
	} {
		if err := checkLifetime(b.name, time.Duration(b.value), b.min, b.max); err != nil {
			return err
		}
	}
	switch {
	case t.RefreshIdle > t.Refresh:
		return fmt.Errorf("tokens: refresh_idle (%v) is longer than refresh (%v): a grant would end before it is idle", time.Duration(t.RefreshIdle), time.Duration(t.Refresh))
	case t.Access > t.Refresh:
		return fmt.Errorf("tokens: access (%v) is longer than refresh (%v): a token would outlive its grant", time.Duration(t.Access), time.Duration(t.Refresh))
	}
	return nil
}

func checkLifetime(name string, value, least, most time.Duration) error {
	if value < least || value > most {
		return fmt.Errorf("tokens: %s is %v, allowed is %v to %v", name, value, least, most)
	}
	return nil
}

// errEmptyGroup is about what an unset variable leaves behind.
var errEmptyGroup = errors.New("a group has no name: write it out, or look at the variable that it comes from")

// validate checks a role by itself.
func (r Role) validate() error {
	switch {
	case r.Name == "":
		return errors.New("a role needs a name")
	case !r.Everyone && len(r.Groups) == 0:
		return fmt.Errorf("role %s applies to nobody: add everyone or group NAME", r.Name)
	case slices.Contains(r.Groups, ""):
		return fmt.Errorf("role %s: %w", r.Name, errEmptyGroup)
	case len(r.Allow) == 0:
		return fmt.Errorf("role %s allows nothing: add allow PERMISSION, or remove the role", r.Name)
	}
	return nil
}

// isLoopback says whether a host is this computer, by the names under which
// assistants and browsers take plain http for safe (RFC 8252 §7.3).
func isLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// isLoopbackURL says whether a URL leads to this computer.
func isLoopbackURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isLoopback(u.Hostname())
}

// usualHost is the host of u in lower case without the default port, as
// clients send it in Host.
func usualHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}
