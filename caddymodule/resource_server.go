package caddymodule

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/teamlumos/mcp-edge/authz/introspect"
	"github.com/teamlumos/mcp-edge/authz/opaque"
)

var resourceServerLines = []string{"secret", "resource"}

// parseResourceServer reads a service that may ask about tokens. Syntax:
//
//	trusted_resource_server <name> {
//	    secret   {env.NAME}|{file./path}
//	    resource <urls...>
//	}
//
// Several resource lines add up. That each names an MCP endpoint is checked at
// the start: the sites come after this block.
func (a *App) parseResourceServer(d *caddyfile.Dispenser, whole *wholeChecks) error {
	start := d.Token()
	name, err := newParser(d).word()
	if err != nil {
		return err
	}
	if err := checkResourceServerName(name); err != nil {
		return at(start, err)
	}
	if slices.ContainsFunc(a.ResourceServers, func(other ResourceServer) bool { return other.Name == name }) {
		return at(start, fmt.Errorf("trusted_resource_server %s is given twice", name))
	}
	server := ResourceServer{Name: name}
	p := newParser(d)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		line := d.Token()
		switch d.Val() {
		case "secret":
			if err := p.once(); err != nil {
				return err
			}
			if server.Secret, err = p.word(); err != nil {
				return err
			}
			secret := server.Secret
			whole.secrets = append(whole.secrets, secretLine{line, func(allowLiteral bool) error {
				return checkLongSecret(secret, allowLiteral)
			}})
		case "resource":
			if server.Resources, err = p.addAll(server.Resources, unlessPlaceholder(checkResourceOfServer)); err != nil {
				return err
			}
		default:
			return p.unknown("trusted_resource_server", resourceServerLines, nil)
		}
	}
	if err := server.complete(); err != nil {
		return at(start, err)
	}
	a.ResourceServers = append(a.ResourceServers, server)
	return nil
}

// checkLongSecret refuses a secret that stands in the configuration itself, or
// one of those that may and could be guessed.
func checkLongSecret(raw string, allowLiteral bool) error {
	err := checkSecret(raw, allowLiteral)
	if err == nil && !secretPlaceholder.MatchString(raw) {
		err = introspect.CheckSecret(raw)
	}
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	return nil
}

// complete refuses a resource server that could not ask, or ask about nothing.
func (s ResourceServer) complete() error {
	switch {
	case s.Secret == "":
		return fmt.Errorf("trusted_resource_server %s needs a line secret {env.NAME}", s.Name)
	case len(s.Resources) == 0:
		return fmt.Errorf("trusted_resource_server %s may ask about nothing: add resource and the URL of an mcp_bridge", s.Name)
	}
	return nil
}

// checkResourceServerName accepts the name of a resource server. It is sent in
// HTTP Basic, where other characters would be spelt in two ways.
func checkResourceServerName(s string) error {
	if !profileID.MatchString(s) {
		return fmt.Errorf("trusted_resource_server %q is not a name of lower case letters, digits and dashes", s)
	}
	return nil
}

// checkResourceOfServer accepts what can be the resource of an mcp_bridge.
func checkResourceOfServer(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return fmt.Errorf("resource %q is not a URL like https://api.example.com/mcp/appstore", s)
	}
	return checkResource(s, u.EscapedPath())
}

// unlessPlaceholder leaves a value that holds a placeholder to the load.
func unlessPlaceholder(check func(string) error) func(string) error {
	return func(s string) error {
		if holdsPlaceholder(s) {
			return nil
		}
		return check(s)
	}
}

// loadResourceServers checks the services that may ask about tokens, and
// resolves their secrets, of which only hashes are kept.
func (a *App) loadResourceServers() error {
	a.introspectors = nil
	for _, s := range a.ResourceServers {
		server, err := s.load(isLoopbackURL(a.Issuer))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(a.introspectors, func(other introspect.ResourceServer) bool { return other.Name == server.Name }) {
			return fmt.Errorf("trusted_resource_server %s is given twice", server.Name)
		}
		a.introspectors = append(a.introspectors, server)
	}
	return nil
}

func (s ResourceServer) load(allowLiteral bool) (introspect.ResourceServer, error) {
	server := introspect.ResourceServer{Name: s.Name}
	if err := checkResourceServerName(s.Name); err != nil {
		return server, err
	}
	if err := s.complete(); err != nil {
		return server, err
	}
	secret, err := resolveSecret(s.Secret, allowLiteral)
	if err == nil {
		err = introspect.CheckSecret(secret)
	}
	if err != nil {
		return server, fmt.Errorf("trusted_resource_server %s: secret: %w", s.Name, err)
	}
	server.SecretHash = opaque.HashOf(secret)
	for _, raw := range s.Resources {
		resource, err := resolve(raw)
		if err == nil {
			err = checkResourceOfServer(resource)
		}
		if err != nil {
			return server, fmt.Errorf("trusted_resource_server %s: resource: %w", s.Name, err)
		}
		server.Resources = append(server.Resources, resource)
	}
	if twice := firstTwice(server.Resources); twice != "" {
		return server, fmt.Errorf("trusted_resource_server %s: resource %s is given twice", s.Name, twice)
	}
	return server, nil
}

// checkIntrospection refuses a resource server for a resource that no mcp_bridge
// has: its tokens would be inactive without a word. All handlers are known only
// at the start.
func (a *App) checkIntrospection() error {
	known := a.resources()
	for _, server := range a.introspectors {
		for _, resource := range server.Resources {
			if !slices.Contains(known, resource) {
				return fmt.Errorf("trusted_resource_server %s names the resource %s, which no mcp_bridge has: %s", server.Name, resource, suggestResource(resource, known))
			}
		}
	}
	return nil
}

// suggestResource is suggest, also for a configuration without a resource.
func suggestResource(resource string, known []string) string {
	if len(known) == 0 {
		return "there is no mcp_bridge; add one"
	}
	return suggest(resource, known)
}
