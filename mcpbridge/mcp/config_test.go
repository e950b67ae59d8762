package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/mcp"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// listed is a set of tools that only lists.
type listed []toolset.Tool

func (l listed) List() []toolset.Tool                                      { return l }
func (listed) Call(context.Context, *toolset.Call) (result toolset.Result) { return result }

func TestNewRefuses(t *testing.T) {
	one := func(change func(*toolset.Tool)) func(*mcp.Config) {
		t := tool("a", mcpbridge.Need{})
		change(&t)
		return func(c *mcp.Config) { c.Tools = listed{t} }
	}
	tests := map[string]func(*mcp.Config){
		"no gate":                            func(c *mcp.Config) { c.Gate = nil },
		"no auditor":                         func(c *mcp.Config) { c.Auditor = nil },
		"no tools":                           func(c *mcp.Config) { c.Tools = nil },
		"a server without name":              func(c *mcp.Config) { c.ServerInfo.Name = "" },
		"a server without version":           func(c *mcp.Config) { c.ServerInfo.Version = "" },
		"a negative body limit":              func(c *mcp.Config) { c.MaxBody = -1 },
		"no metadata address":                func(c *mcp.Config) { c.MetadataURL = "" },
		"a metadata path without host":       func(c *mcp.Config) { c.MetadataURL = "/.well-known/x" },
		"a metadata address with a quote":    func(c *mcp.Config) { c.MetadataURL = `https://a.example/"` },
		"a scope with a space":               func(c *mcp.Config) { c.ChallengeScopes = []string{"a b"} },
		"a scope with a quote":               func(c *mcp.Config) { c.ChallengeScopes = []string{`a"`} },
		"an origin with a path":              func(c *mcp.Config) { c.AllowedOrigins = []string{"https://a.example/"} },
		"an origin in capitals":              func(c *mcp.Config) { c.AllowedOrigins = []string{"https://A.example"} },
		"any origin":                         func(c *mcp.Config) { c.AllowedOrigins = []string{"*"} },
		"the origin null":                    func(c *mcp.Config) { c.AllowedOrigins = []string{"null"} },
		"an origin that is no web page":      func(c *mcp.Config) { c.AllowedOrigins = []string{"file://a"} },
		"two tools of one name":              func(c *mcp.Config) { c.Tools = listed{tool("a", mcpbridge.Need{}), tool("a", mcpbridge.Need{})} },
		"a tool without name":                one(func(t *toolset.Tool) { t.Name = "" }),
		"a tool name with a space":           one(func(t *toolset.Tool) { t.Name = "a b" }),
		"a tool name of 129 characters":      one(func(t *toolset.Tool) { t.Name = strings.Repeat("a", 129) }),
		"a tool without description":         one(func(t *toolset.Tool) { t.Description = "" }),
		"no input schema":                    one(func(t *toolset.Tool) { t.InputSchema = nil }),
		"an input schema that is no JSON":    one(func(t *toolset.Tool) { t.InputSchema = json.RawMessage(`{`) }),
		"an input schema for an array":       one(func(t *toolset.Tool) { t.InputSchema = json.RawMessage(`{"type":"array"}`) }),
		"an output schema without type":      one(func(t *toolset.Tool) { t.OutputSchema = json.RawMessage(`{}`) }),
		"a schema that names a member twice": one(func(t *toolset.Tool) { t.InputSchema = json.RawMessage(`{"type":"object","type":"object"}`) }),
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			c := mcp.Config{Gate: &fakeGate{}, Auditor: &fakeTrail{}, Tools: listed{tool("a", mcpbridge.Need{})}, ServerInfo: mcp.ServerInfo{Name: "n", Version: "1"}, MetadataURL: metadataURL}
			if _, err := mcp.New(c); err != nil {
				t.Fatalf("without the mistake: %v", err)
			}
			change(&c)
			if _, err := mcp.New(c); !errors.Is(err, mcp.ErrConfig) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestErrorCodesAreTheOnesThatMayBeEmitted reads the source: all codes are
// constants of package jsonrpc, each is in emittable, and nothing else in the
// two packages looks like one (MCP 2026-07-28, basic, error codes).
func TestErrorCodesAreTheOnesThatMayBeEmitted(t *testing.T) {
	var defined []int
	for _, dir := range []string{"../jsonrpc", "."} {
		for path, file := range sources(t, dir) {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					if filepath.Base(path) != "codes.go" {
						return true
					}
					for _, value := range n.Values {
						defined = append(defined, number(t, value))
					}
					return false
				case *ast.UnaryExpr:
					if lit, ok := n.X.(*ast.BasicLit); ok && n.Op == token.SUB && len(lit.Value) > 3 {
						t.Errorf("%s: the literal -%s looks like an error code outside of codes.go", path, lit.Value)
					}
				}
				return true
			})
		}
	}
	slices.Sort(defined)
	if want := slices.Sorted(slices.Values(emittable)); !slices.Equal(defined, want) {
		t.Errorf("codes.go defines %v, tests allow %v", defined, want)
	}
	for _, code := range defined {
		reserved := code >= -32768 && code <= -32000
		known := slices.Contains([]int{-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022}, code)
		if reserved && !known {
			t.Errorf("%d is in the range that JSON-RPC and MCP reserve", code)
		}
	}
}

func sources(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, 0)
		return err
	})
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files in %s: %v", len(files), dir, err)
	}
	return files
}

func number(t *testing.T, e ast.Expr) int {
	t.Helper()
	sign := 1
	if u, ok := e.(*ast.UnaryExpr); ok {
		sign, e = -1, u.X
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		t.Fatalf("a constant in codes.go is no number")
	}
	n, err := strconv.Atoi(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	return sign * n
}
