package caddymodule

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/teamlumos/mcp-edge/authz/client"
)

var (
	clientLines      = []string{"name", "redirect_uri", "metadata_document", "loopback", "instance", "value", "rotation_grace"}
	clientOnceLines  = []string{"name", "loopback", "instance", "rotation_grace"}
	clientLaterLines = []string{"custom_scheme"}
)

// clientBlock is a client block while it is read.
type clientBlock struct {
	ClientProfile
	builtIn client.Profile // the profile that the block adds to …
	extends bool           // … if there is one
	values  map[string][]string
}

// parseClient reads a host profile of the operator's own, or an addition to a
// built-in one. Syntax:
//
//	client <id> {
//	    name              <text>
//	    redirect_uri      <urls...>
//	    metadata_document <urls...>
//	    loopback          [<paths...>]
//	    instance          <names...>
//	    value             <placeholder> <values...>
//	    rotation_grace    <duration>
//	}
//
// Several redirect_uri, metadata_document and value lines add up; loopback
// without paths accepts every path. With instance and value the templates of a
// built-in profile become exact addresses, which are what the configuration
// holds: no template ever reaches a running gateway.
func (a *App) parseClient(d *caddyfile.Dispenser) error {
	start := d.Token()
	id, err := newParser(d).checked(checkProfileID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(a.Clients, func(c ClientProfile) bool { return c.ID == id }) {
		return at(start, fmt.Errorf("client %s is given twice", id))
	}
	builtIn, err := client.NewRegistry()
	if err != nil {
		return err
	}
	block := clientBlock{ClientProfile: ClientProfile{ID: id}, values: make(map[string][]string)}
	block.builtIn, block.extends = builtIn.Profile(id)
	p := newParser(d)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := block.parseLine(p); err != nil {
			return err
		}
	}
	if err := block.finish(); err != nil {
		return at(start, err)
	}
	a.Clients = append(a.Clients, block.ClientProfile)
	return nil
}

func (b *clientBlock) parseLine(p *parser) (err error) {
	name, line := p.Val(), p.Token()
	if slices.Contains(clientOnceLines, name) {
		if err := p.once(); err != nil {
			return err
		}
	}
	switch name {
	case "name":
		b.Name, err = p.word()
	case "redirect_uri":
		b.RedirectURIs, err = p.addAll(b.RedirectURIs, b.checkRedirect)
	case "metadata_document":
		b.MetadataDocuments, err = p.addAll(b.MetadataDocuments, checkMetadataDocument)
	case "loopback":
		if b.LoopbackPaths = p.RemainingArgs(); len(b.LoopbackPaths) == 0 {
			b.LoopbackPaths = []string{client.AnyPath}
		}
		return checkEach(line, b.LoopbackPaths, checkLoopbackPath)
	case "instance":
		return b.parseInstance(p)
	case "value":
		return b.parseValue(p)
	case "rotation_grace":
		b.RotationGrace, err = p.duration()
	default:
		err = p.unknown("client", clientLines, clientLaterLines)
	}
	return err
}

// addAll reads one or more arguments that check accepts and none of which is in
// list already.
func (p *parser) addAll(list []string, check func(string) error) ([]string, error) {
	name, line := p.Val(), p.Token()
	values, err := p.words()
	if err != nil {
		return nil, err
	}
	list = append(list, values...)
	if twice := firstTwice(list); twice != "" {
		return nil, at(line, fmt.Errorf("%s %s is given twice", name, twice))
	}
	return list, checkEach(line, values, check)
}

func (b *clientBlock) parseInstance(p *parser) error {
	line := p.Token()
	values, err := p.words()
	if err != nil {
		return err
	}
	placeholder, ok := b.builtIn.InstancePlaceholder()
	if !ok {
		return at(line, b.noTemplate("instance"))
	}
	return b.addValues(line, placeholder, values)
}

func (b *clientBlock) parseValue(p *parser) error {
	line := p.Token()
	args := p.RemainingArgs()
	if len(args) < 2 {
		return at(line, fmt.Errorf("value takes the name of a placeholder and one or more values"))
	}
	if len(b.builtIn.Placeholders()) == 0 {
		return at(line, b.noTemplate("value"))
	}
	return b.addValues(line, args[0], args[1:])
}

// noTemplate says why a line that fills templates has none to fill.
func (b *clientBlock) noTemplate(line string) error {
	names := b.builtIn.Placeholders()
	switch {
	case !b.extends:
		return fmt.Errorf("client %s is no built-in profile, so %s fills no template: write the exact redirect_uri", b.ID, line)
	case len(names) > 0:
		return fmt.Errorf("client %s has several placeholders: write value NAME VALUE, with the names %s", b.ID, strings.Join(names, ", "))
	}
	return fmt.Errorf("client %s has no template that %s could fill: write the exact redirect_uri", b.ID, line)
}

func (b *clientBlock) addValues(line caddyfile.Token, placeholder string, values []string) error {
	for _, value := range values {
		if holdsPlaceholder(value) {
			return at(line, fmt.Errorf("%s is %q: the exact address must be known when the file is read, so use {$NAME} if anything", placeholder, value))
		}
		if err := b.builtIn.CheckValue(placeholder, value); err != nil {
			return at(line, err)
		}
	}
	b.values[placeholder] = append(b.values[placeholder], values...)
	if twice := firstTwice(b.values[placeholder]); twice != "" {
		return at(line, fmt.Errorf("%s %s is given twice", placeholder, twice))
	}
	return nil
}

// checkRedirect accepts a redirect address; a private-use scheme only as the
// built-in profile spells it.
func (b *clientBlock) checkRedirect(s string) error {
	if strings.ContainsAny(s, "{}") {
		return fmt.Errorf("redirect_uri %q holds a placeholder: write the exact address", s)
	}
	if err := checkRedirect(s); err != nil {
		return err
	}
	if u, err := url.Parse(s); err == nil && u.Scheme != "https" && !slices.Contains(b.builtIn.CustomSchemes, s) {
		if len(b.builtIn.CustomSchemes) > 0 {
			return fmt.Errorf("redirect_uri %q has a private-use scheme, which any app can claim: %s may be given only %s", s, b.ID, strings.Join(b.builtIn.CustomSchemes, ", "))
		}
		return fmt.Errorf("redirect_uri %q has a private-use scheme, which any app can claim: want https", s)
	}
	return nil
}

// checkMetadataDocument accepts the address of a client id metadata document.
func checkMetadataDocument(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || len(u.Path) < 2 || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		return fmt.Errorf("metadata_document %q is not an https URL with a path and nothing behind it", s)
	}
	return nil
}

// finish fills in the templates and refuses a block that says nothing or that
// the profiles refuse.
func (b *clientBlock) finish() error {
	exact, err := b.builtIn.Expand(b.values)
	if err != nil {
		return err
	}
	b.RedirectURIs = addNew(b.RedirectURIs, exact.RedirectURIs)
	b.MetadataDocuments = addNew(b.MetadataDocuments, exact.MetadataDocuments)
	b.LoopbackPaths = addNew(b.LoopbackPaths, exact.LoopbackPaths)
	if len(b.RedirectURIs)+len(b.MetadataDocuments)+len(b.LoopbackPaths) == 0 && b.RotationGrace == 0 {
		return fmt.Errorf("client %s says nothing: add redirect_uri, metadata_document, loopback, instance or rotation_grace", b.ID)
	}
	if holdsPlaceholder(b.ID) {
		return nil
	}
	_, err = registryFor(nil, []ClientProfile{b.ClientProfile})
	return err
}

// addNew appends those of more that list does not hold.
func addNew(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

func checkEach(line caddyfile.Token, values []string, check func(string) error) error {
	for _, value := range values {
		if err := check(value); err != nil {
			return at(line, err)
		}
	}
	return nil
}

// registryFor returns the built-in host profiles with those of a configuration,
// for MCP endpoints with the given public URLs.
func registryFor(resources []string, clients []ClientProfile) (*client.Registry, error) {
	var custom []client.Profile
	for _, c := range clients {
		if err := c.validate(); err != nil {
			return nil, err
		}
		for _, document := range c.MetadataDocuments {
			if err := checkMetadataDocument(document); err != nil {
				return nil, fmt.Errorf("client %s: %w", c.ID, err)
			}
		}
		custom = append(custom, client.Profile{
			ID: c.ID, Name: c.Name, RedirectURIs: c.RedirectURIs, LoopbackPaths: c.LoopbackPaths,
			MetadataDocuments: c.MetadataDocuments, RotationGrace: time.Duration(c.RotationGrace),
		})
	}
	return client.NewRegistryFor(resources, custom...)
}
