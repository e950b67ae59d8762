package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("mcp_edge", parseGlobalOption)
	httpcaddyfile.RegisterDirective("mcp_auth", parseAuthDirective)
	httpcaddyfile.RegisterDirective("mcp_bridge", parseBridgeDirective)
	httpcaddyfile.RegisterHandlerDirective("mcp_verify", parseVerifyDirective)
	// Both in one place, because two directives that are anchored at the same
	// standard one are ordered by registration. Each passes on what is not its
	// own, so that a site can hold both and more.
	httpcaddyfile.RegisterDirectiveOrder("mcp_auth", httpcaddyfile.Before, "handle")
	httpcaddyfile.RegisterDirectiveOrder("mcp_bridge", httpcaddyfile.Before, "handle")
	// Where Caddy's own ways to authenticate stand, and before request_header, which
	// then changes what was verified and not what is to be.
	httpcaddyfile.RegisterDirectiveOrder("mcp_verify", httpcaddyfile.Before, "request_header")
}

// parser reads one block of the Caddyfile: it keeps what was given already, so
// that a line that stands twice is refused instead of being half ignored.
type parser struct {
	*caddyfile.Dispenser
	seen map[string]bool
}

func newParser(d *caddyfile.Dispenser) *parser {
	return &parser{Dispenser: d, seen: make(map[string]bool)}
}

// once refuses the current word if it was seen in this block before.
func (p *parser) once() error {
	if p.seen[p.Val()] {
		return p.Errf("%s is given twice", p.Val())
	}
	p.seen[p.Val()] = true
	return nil
}

// word reads exactly one argument of the current line.
func (p *parser) word() (string, error) {
	name, line := p.Val(), p.Token()
	args := p.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return "", at(line, fmt.Errorf("%s takes one value, it has %d", name, len(args)))
	}
	return args[0], nil
}

// words reads one or more arguments of the current line.
func (p *parser) words() ([]string, error) {
	name, line := p.Val(), p.Token()
	args := p.RemainingArgs()
	if len(args) == 0 {
		return nil, at(line, fmt.Errorf("%s takes one or more values, it has none", name))
	}
	if twice := firstTwice(args); twice != "" {
		return nil, at(line, fmt.Errorf("%s names %s twice", name, twice))
	}
	return args, nil
}

// flag reads a line without arguments.
func (p *parser) flag() error {
	name, line := p.Val(), p.Token()
	if args := p.RemainingArgs(); len(args) > 0 {
		return at(line, fmt.Errorf("%s takes no value, it has %s", name, strings.Join(args, " ")))
	}
	return nil
}

// duration reads a duration like 60s, 1h or 30d.
func (p *parser) duration() (caddy.Duration, error) {
	name, line := p.Val(), p.Token()
	value, err := p.word()
	if err != nil {
		return 0, err
	}
	duration, err := caddy.ParseDuration(value)
	if err != nil || duration <= 0 {
		return 0, at(line, fmt.Errorf("%s is %q, want a duration like 60s, 1h or 30d", name, value))
	}
	return caddy.Duration(duration), nil
}

// checked reads one argument and refuses what check refuses, unless it holds a
// placeholder: that is checked when the configuration is loaded.
func (p *parser) checked(check func(string) error) (string, error) {
	line := p.Token()
	value, err := p.word()
	if err != nil {
		return "", err
	}
	if !holdsPlaceholder(value) {
		if err := check(value); err != nil {
			return "", at(line, err)
		}
	}
	return value, nil
}

// unknown refuses the current word: one that a later version has, or one that
// nothing has.
func (p *parser) unknown(block string, allowed, later []string) error {
	for _, name := range later {
		if p.Val() == name {
			return p.Errf("%s in %s is not available in this version", name, block)
		}
	}
	return p.Errf("unknown line %q in %s: %s", p.Val(), block, suggest(p.Val(), allowed))
}

// at adds the place of a token that is no longer the current one.
func at(token caddyfile.Token, err error) error {
	return fmt.Errorf("%w, at %s:%d", err, token.File, token.Line)
}
