package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var (
	openAPILines     = []string{"title", "instructions", "directory", "scope", "tool"}
	openAPIToolLines = []string{"operation", "scope", "permission", "title", "description", "write"}
)

// parseToolset reads which tools a bridge offers.
func (b *Bridge) parseToolset(p *parser) error {
	line := p.Token()
	if !p.NextArg() {
		return at(line, errors.New("toolset takes one value, it has 0"))
	}
	b.Toolset = p.Val()
	if b.Toolset == openAPIToolset {
		return b.parseOpenAPI(p.Dispenser, line)
	}
	if rest := p.RemainingArgs(); len(rest) > 0 {
		return at(line, fmt.Errorf("toolset takes one value, it has %d", len(rest)+1))
	}
	if holdsPlaceholder(b.Toolset) {
		return nil
	}
	if err := checkToolset(b.Toolset); err != nil {
		return at(line, err)
	}
	return nil
}

// openAPIBlock is a toolset openapi while it is read.
type openAPIBlock struct {
	*OpenAPI
	lines map[string]caddyfile.Token // by the keys of a lineError
}

// parseOpenAPI reads a toolset that is made of a document. Syntax:
//
//	toolset openapi <file> {
//	    title        <text>
//	    instructions <text>
//	    directory    ask|none
//	    scope <name> <what people read>
//	    tool <name> {
//	        operation   <operationId> | <method> <path>
//	        scope       <name>
//	        permission  <name>
//	        title       <text>
//	        description <text>
//	        write
//	    }
//	}
//
// The document is read here as well as when the configuration is loaded, so that
// a mistake is refused with its line.
func (b *Bridge) parseOpenAPI(d *caddyfile.Dispenser, start caddyfile.Token) error {
	args := d.RemainingArgs()
	if len(args) != 1 {
		return at(start, fmt.Errorf("toolset openapi takes one file, it has %d: write toolset openapi FILE { … }", len(args)))
	}
	block := &openAPIBlock{OpenAPI: &OpenAPI{File: args[0]}, lines: map[string]caddyfile.Token{"file": start, "": start}}
	p := newParser(d)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := block.parseLine(p); err != nil {
			return err
		}
	}
	b.OpenAPI = block.OpenAPI
	if holdsPlaceholder(b.OpenAPI.File) {
		return nil
	}
	var err error
	if b.declared, err = b.OpenAPI.compile(); err != nil {
		return block.place(err)
	}
	return nil
}

// place adds file and line to an error.
func (o *openAPIBlock) place(err error) error {
	line := o.lines[""]
	if wrong := new(lineError); errors.As(err, &wrong) {
		if token, ok := o.lines[wrong.key]; ok {
			line = token
		}
	}
	return at(line, err)
}

func (o *openAPIBlock) parseLine(p *parser) (err error) {
	line := p.Token()
	switch p.Val() {
	case "scope":
		args := p.RemainingArgs()
		if len(args) != 2 {
			return at(line, fmt.Errorf("scope takes a name and what people read, it has %d values: write scope NAME \"…\"", len(args)))
		}
		o.lines[scopeKey(len(o.Scopes))] = line
		o.Scopes = append(o.Scopes, OpenAPIScope{Name: args[0], Title: args[1]})
		return nil
	case "tool":
		return o.parseTool(p.Dispenser)
	case "title", "instructions", "directory":
		if err := p.once(); err != nil {
			return err
		}
	}
	switch p.Val() {
	case "title":
		o.Title, err = p.word()
	case "instructions":
		o.Instructions, err = p.word()
	case "directory":
		o.Directory, err = p.checked(checkDirectory)
	default:
		err = p.unknown("toolset openapi", openAPILines, nil)
	}
	return err
}

func (o *openAPIBlock) parseTool(d *caddyfile.Dispenser) error {
	i := len(o.Tools)
	o.lines[toolKey(i, "")] = d.Token()
	name, err := newParser(d).word()
	if err != nil {
		return err
	}
	tool := OpenAPITool{Name: name}
	p := newParser(d)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		o.lines[toolKey(i, d.Val())] = d.Token()
		if err := tool.parseLine(p); err != nil {
			return err
		}
	}
	o.Tools = append(o.Tools, tool)
	return nil
}

func (t *OpenAPITool) parseLine(p *parser) (err error) {
	if err := p.once(); err != nil {
		return err
	}
	line := p.Token()
	switch p.Val() {
	case "operation":
		args := p.RemainingArgs()
		if len(args) != 1 && len(args) != 2 {
			return at(line, fmt.Errorf("operation takes an operationId, or a method and a path, it has %d values", len(args)))
		}
		if len(args) == 2 {
			args[0] = strings.ToUpper(args[0])
		}
		t.Operation = strings.Join(args, " ")
	case "scope":
		t.Scope, err = p.word()
	case "permission":
		t.Permission, err = p.word()
	case "title":
		t.Title, err = p.word()
	case "description":
		t.Description, err = p.word()
	case "write":
		t.Write, err = true, p.flag()
	default:
		err = p.unknown("tool", openAPIToolLines, nil)
	}
	return err
}
