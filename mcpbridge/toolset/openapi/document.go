package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Bounds of a document.
const (
	MaxDocument = 8 << 20 // bytes
	maxDepth    = 100     // nested values
	maxTitle    = 100     // characters of a title
)

// ErrDocument is the cause of every error about the document as a whole.
var ErrDocument = errors.New("OpenAPI document")

// Document is an OpenAPI document. It is not changed after Load and may be used
// concurrently.
type Document struct {
	// Title is info.title, on one line; "" if there is none.
	Title string

	root       map[string]any
	base       []string // the segments of the server's path
	operations []*operation
}

// operation is one method of one path.
type operation struct {
	id     string
	method string // upper case
	path   string
	raw    map[string]any
	shared []any // parameters of the path
}

// name says which operation it is, as a configuration may.
func (o *operation) name() string { return o.method + " " + o.path }

// methods of a path, as a document spells them (OpenAPI 3.1.0 §4.8.9).
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// Load reads a document in JSON or YAML. Every error is an ErrDocument. Only the
// frame is looked at here; an operation is when a Tool is made of it.
func Load(raw []byte) (*Document, error) {
	if len(raw) > MaxDocument {
		return nil, fmt.Errorf("%w: it is longer than %d MiB", ErrDocument, MaxDocument>>20)
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	var value any
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, fmt.Errorf("%w: it is not JSON: %w", ErrDocument, err)
		}
	} else {
		var err error
		if value, err = readYAML(raw); err != nil {
			return nil, fmt.Errorf("%w: it is neither JSON nor YAML: %w", ErrDocument, err)
		}
	}
	if deeper(value, maxDepth) {
		return nil, fmt.Errorf("%w: it is nested more than %d deep", ErrDocument, maxDepth)
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: it is not an object", ErrDocument)
	}
	d := &Document{root: root}
	if err := d.readFrame(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return d, nil
}

// readFrame reads what all operations have in common.
func (d *Document) readFrame() error {
	version, _ := d.root["openapi"].(string)
	switch {
	case d.root["swagger"] != nil:
		return errors.New("it is Swagger 2.0: convert it to OpenAPI 3.0 or 3.1")
	case !strings.HasPrefix(version, "3.0.") && !strings.HasPrefix(version, "3.1."):
		return fmt.Errorf("its line openapi is %q: 3.0 and 3.1 are read", result.Line(version, maxTitle))
	}
	if info, ok := d.root["info"].(map[string]any); ok {
		title, _ := info["title"].(string)
		d.Title = result.Line(title, maxTitle)
	}
	if err := d.readServer(); err != nil {
		return err
	}
	paths, _ := d.root["paths"].(map[string]any)
	for path, value := range paths {
		item, ok := value.(map[string]any)
		if !ok || !strings.HasPrefix(path, "/") {
			continue // an extension
		}
		shared, _ := item["parameters"].([]any)
		for _, method := range methods {
			raw, ok := item[method].(map[string]any)
			if !ok {
				continue
			}
			id, _ := raw["operationId"].(string)
			d.operations = append(d.operations, &operation{id: id, method: strings.ToUpper(method), path: path, raw: raw, shared: shared})
		}
	}
	if len(d.operations) == 0 {
		return errors.New("it has no operations under paths")
	}
	slices.SortFunc(d.operations, func(a, b *operation) int {
		return strings.Compare(a.path+" "+a.method, b.path+" "+b.method)
	})
	return nil
}

// readServer takes the path of the first server. Where the backend is, is the
// configuration's to say.
func (d *Document) readServer() error {
	servers, _ := d.root["servers"].([]any)
	if len(servers) == 0 {
		return nil
	}
	first, _ := servers[0].(map[string]any)
	address, _ := first["url"].(string)
	u, err := url.Parse(address)
	if err != nil || strings.ContainsAny(address, "{}") {
		return fmt.Errorf("the address of its first server, %q, is not a plain URL: write it without variables", result.Line(address, 200))
	}
	for segment := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		if segment == "" {
			continue
		}
		if !backend.ValidSegment(segment) {
			return fmt.Errorf("the path of its first server, %q, has a segment that needs an escape", result.Line(address, 200))
		}
		d.base = append(d.base, segment)
	}
	return nil
}

// Operations lists how the operations can be named: by operationId where there
// is one, else by method and path. The order is that of the paths.
func (d *Document) Operations() []string {
	names := make([]string, 0, len(d.operations))
	for _, o := range d.operations {
		if o.id != "" {
			names = append(names, o.id)
		} else {
			names = append(names, o.name())
		}
	}
	return names
}

// Has reports whether the document has exactly one operation of that name.
func (d *Document) Has(name string) bool {
	_, err := d.find(name)
	return err == nil
}

// find returns the operation of an operationId, or of a method and a path.
func (d *Document) find(name string) (*operation, error) {
	var found []*operation
	for _, o := range d.operations {
		if o.id == name || o.name() == name {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("the document has no operation %q", name)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("the document has %d operations %q: name one by method and path, like %s", len(found), name, found[0].name())
}

// deeper reports whether a value is nested more than limit deep.
func deeper(value any, limit int) bool {
	if limit < 0 {
		return true
	}
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			if deeper(member, limit-1) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if deeper(item, limit-1) {
				return true
			}
		}
	}
	return false
}
