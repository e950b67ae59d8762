package prism_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// document is the interface description, as far as it is looked at here.
type document struct {
	Paths map[string]map[string]*operation
	// Components are the shared parameters, by name.
	Components struct{ Parameters map[string]parameter }
}

type operation struct {
	id         string // method and path template
	Parameters []parameter
	Responses  map[string]json.RawMessage
}

type parameter struct {
	Ref  string `json:"$ref"`
	Name string
	In   string
}

func documentPath() string {
	return filepath.Join(gateway.Root(), "docs", "lumos-appstore.openapi.json")
}

func readDocument(t *testing.T) *document {
	t.Helper()
	raw, err := os.ReadFile(documentPath())
	if err != nil {
		t.Fatal(err)
	}
	d := new(document)
	if err := json.Unmarshal(raw, d); err != nil {
		t.Fatal(err)
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			o.id = strings.ToUpper(method) + " " + path
		}
	}
	return d
}

var segment = regexp.MustCompile(`\\\{[a-z_]+\\\}`)

// find returns the operation of a request. A path without parameters wins.
func (d *document) find(method, path string) *operation {
	if o := d.Paths[path][strings.ToLower(method)]; o != nil {
		return o
	}
	for template, methods := range d.Paths {
		pattern := "^" + segment.ReplaceAllString(regexp.QuoteMeta(template), `[^/]+`) + "$"
		if o := methods[strings.ToLower(method)]; o != nil && regexp.MustCompile(pattern).MatchString(path) {
			return o
		}
	}
	return nil
}

// takes says whether the operation has a query parameter of that name. Prism
// overlooks those that it does not know.
func (d *document) takes(o *operation, name string) bool {
	return slices.ContainsFunc(o.Parameters, func(p parameter) bool {
		if p.Ref != "" {
			p = d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		}
		return p.In == "query" && p.Name == name
	})
}

// statuses are those that the operation can answer with, in order.
func (o *operation) statuses(t *testing.T) []int {
	t.Helper()
	var all []int
	for text := range o.Responses {
		status, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: the status %q", o.id, text)
		}
		all = append(all, status)
	}
	slices.Sort(all)
	return all
}
