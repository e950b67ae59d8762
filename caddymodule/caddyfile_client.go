package caddymodule

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var (
	clientLines      = []string{"name", "redirect_uri", "loopback", "rotation_grace"}
	clientLaterLines = []string{"metadata_document", "instance", "custom_scheme"}
)

// parseClient reads a host profile of the operator's own, or an addition to a
// built-in one. Syntax:
//
//	client <id> {
//	    name           <text>
//	    redirect_uri   <urls...>
//	    loopback       [<paths...>]
//	    rotation_grace <duration>
//	}
//
// Several redirect_uri lines add up; loopback without paths accepts every path.
func (a *App) parseClient(d *caddyfile.Dispenser) error {
	start := d.Token()
	id, err := newParser(d).checked(checkProfileID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(a.Clients, func(c ClientProfile) bool { return c.ID == id }) {
		return at(start, fmt.Errorf("client %s is given twice", id))
	}
	profile := ClientProfile{ID: id}
	p := newParser(d)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := profile.parseLine(p); err != nil {
			return err
		}
	}
	if len(profile.RedirectURIs) == 0 && len(profile.LoopbackPaths) == 0 && profile.RotationGrace == 0 {
		return at(start, fmt.Errorf("client %s says nothing: add redirect_uri, loopback or rotation_grace", id))
	}
	a.Clients = append(a.Clients, profile)
	return nil
}

func (c *ClientProfile) parseLine(p *parser) (err error) {
	name, line := p.Val(), p.Token()
	if name != "redirect_uri" && slices.Contains(clientLines, name) {
		if err := p.once(); err != nil {
			return err
		}
	}
	switch name {
	case "name":
		c.Name, err = p.word()
	case "redirect_uri":
		uris, err := p.words()
		if err != nil {
			return err
		}
		c.RedirectURIs = append(c.RedirectURIs, uris...)
		if twice := firstTwice(c.RedirectURIs); twice != "" {
			return at(line, fmt.Errorf("redirect_uri %s is given twice", twice))
		}
		return checkEach(line, uris, checkRedirect)
	case "loopback":
		if c.LoopbackPaths = p.RemainingArgs(); len(c.LoopbackPaths) == 0 {
			c.LoopbackPaths = []string{"*"}
		}
		return checkEach(line, c.LoopbackPaths, checkLoopbackPath)
	case "rotation_grace":
		c.RotationGrace, err = p.duration()
	default:
		err = p.unknown("client", clientLines, clientLaterLines)
	}
	return err
}

func checkEach(line caddyfile.Token, values []string, check func(string) error) error {
	for _, value := range values {
		if err := check(value); err != nil {
			return at(line, err)
		}
	}
	return nil
}
