package caddymodule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/openapi"
)

// OpenAPI is a toolset that is made of operations of an OpenAPI document.
type OpenAPI struct {
	// The document, OpenAPI 3.0 or 3.1 in JSON or YAML; relative paths start at
	// the working directory. It is read when the configuration is loaded. Required.
	File string `json:"file,omitempty"`
	// What people see as the name of the resource. Default: info.title of the
	// document.
	Title string `json:"title,omitempty"`
	// How to use the tools, for models. Default: nothing.
	Instructions string `json:"instructions,omitempty"`
	// Whether sign-in asks the backend (GET /users/current) if it knows the
	// person: "ask" or "none". With "none" the backend is told the e-mail address
	// and decides at each request. Default: ask.
	Directory string `json:"directory,omitempty"`
	// The scopes that people can consent to. Required.
	Scopes []OpenAPIScope `json:"scopes,omitempty"`
	// The tools, in the order in which they are listed. Required.
	Tools []OpenAPITool `json:"tools,omitempty"`
}

// OpenAPIScope is a scope of the toolset openapi.
type OpenAPIScope struct {
	// What tokens call it, like billing:read. Required.
	Name string `json:"name"`
	// What people read on the consent page. Required.
	Title string `json:"title"`
}

// OpenAPITool is a tool that is one operation of the document.
type OpenAPITool struct {
	// What models call it: 1 to 64 characters of A-Z a-z 0-9 _ . -. Required.
	Name string `json:"name"`
	// The operation: its operationId, or method and path. Required.
	Operation string `json:"operation,omitempty"`
	// The scope and the permission that a call needs. Required.
	Scope      string `json:"scope,omitempty"`
	Permission string `json:"permission,omitempty"`
	// What people see. Default: the summary of the operation.
	Title string `json:"title,omitempty"`
	// What models read. Default: the description of the operation.
	Description string `json:"description,omitempty"`
	// Whether the tool changes something. Required for each method but GET, and
	// refused for that. Default: false.
	Write bool `json:"write,omitempty"`
}

// declaredTools is a toolset that was made of a document.
type declaredTools struct {
	tools
	digest string // of the document
}

// maxScopes and maxTools bound what one resource offers: people read the scopes,
// and models the tools.
const (
	maxScopes = 20
	maxTools  = 100
)

// lineError is a mistake in a toolset openapi, with the line that has it: a key
// of scopeKey or toolKey, "file", or "" for the whole block.
type lineError struct {
	key string
	err error
}

func (e *lineError) Error() string { return e.err.Error() }

func (e *lineError) Unwrap() error { return e.err }

func mistake(key, format string, args ...any) error {
	return &lineError{key: key, err: fmt.Errorf(format, args...)}
}

func scopeKey(i int) string { return fmt.Sprintf("scope %d", i) }

func toolKey(i int, line string) string { return strings.TrimSpace(fmt.Sprintf("tool %d %s", i, line)) }

// compile reads the document and makes the tools. Every error says what to
// change; those about one line are a lineError.
func (o *OpenAPI) compile() (*declaredTools, error) {
	document, digest, err := readDocument(o.File)
	if err != nil {
		return nil, &lineError{key: "file", err: err}
	}
	scopes, err := o.compileScopes()
	if err != nil {
		return nil, err
	}
	if len(o.Tools) == 0 || len(o.Tools) > maxTools {
		return nil, mistake("", "toolset openapi has %d tools: 1 to %d can be offered; add tool NAME { operation …, scope …, permission … }", len(o.Tools), maxTools)
	}
	var made []*openapi.Tool
	for i := range o.Tools {
		t, err := o.compileTool(document, i)
		if err != nil {
			return nil, err
		}
		made = append(made, t)
	}
	d := &declaredTools{digest: digest}
	d.title, d.instructions = cmp.Or(result.Line(o.Title, 100), document.Title), o.Instructions
	if d.title == "" {
		return nil, mistake("", "toolset openapi has no title, and neither has the document: add title \"…\"")
	}
	for i := range scopes {
		for _, t := range made {
			need := t.Need()
			if need.Scope == scopes[i].Name && !slices.Contains(scopes[i].Permissions, need.Permission) {
				scopes[i].Permissions = append(scopes[i].Permissions, need.Permission)
			}
		}
		if len(scopes[i].Permissions) == 0 {
			return nil, mistake(scopeKey(i), "no tool needs the scope %s: remove it, or name it in a tool", scopes[i].Name)
		}
		slices.Sort(scopes[i].Permissions)
		d.initial = append(d.initial, scopes[i].Name)
	}
	d.scopes, d.permissions = scopes, o.permissions()
	d.build = func(deps toolDeps) (toolset.Set, error) {
		return openapi.New(openapi.Config{Title: d.title, Tools: made, Backend: deps.backend, Log: deps.log})
	}
	return d, nil
}

func (o *OpenAPI) compileScopes() ([]policy.Scope, error) {
	if len(o.Scopes) == 0 || len(o.Scopes) > maxScopes {
		return nil, mistake("", "toolset openapi has %d scopes: 1 to %d can be consented to; add scope NAME \"what people read\"", len(o.Scopes), maxScopes)
	}
	var scopes []policy.Scope
	for i, s := range o.Scopes {
		switch {
		case !scopeName.MatchString(s.Name):
			return nil, mistake(scopeKey(i), "scope %q is not a name like billing:read", s.Name)
		case s.Title == "" || len(s.Title) > 200 || result.Line(s.Title, 200) != s.Title:
			return nil, mistake(scopeKey(i), "scope %s needs what people read on the consent page, on one line of at most 200 bytes: write scope %s \"…\"", s.Name, s.Name)
		case slices.ContainsFunc(o.Scopes[:i], func(other OpenAPIScope) bool { return other.Name == s.Name }):
			return nil, mistake(scopeKey(i), "scope %s is given twice", s.Name)
		}
		scopes = append(scopes, policy.Scope{Name: s.Name, Title: s.Title})
	}
	return scopes, nil
}

func (o *OpenAPI) compileTool(document *openapi.Document, i int) (*openapi.Tool, error) {
	t := o.Tools[i]
	if err := openapi.CheckName(t.Name); err != nil {
		return nil, &lineError{key: toolKey(i, ""), err: err}
	}
	if slices.ContainsFunc(o.Tools[:i], func(other OpenAPITool) bool { return other.Name == t.Name }) {
		return nil, mistake(toolKey(i, ""), "tool %s is given twice", t.Name)
	}
	for _, line := range []struct{ name, value, remedy string }{
		{"operation", t.Operation, "operation ID, or operation METHOD PATH"},
		{"scope", t.Scope, "scope NAME"},
		{"permission", t.Permission, "permission NAME"},
	} {
		if line.value == "" {
			return nil, mistake(toolKey(i, ""), "tool %s lacks a line: %s", t.Name, line.remedy)
		}
	}
	var known []string
	for _, s := range o.Scopes {
		known = append(known, s.Name)
	}
	if !slices.Contains(known, t.Scope) {
		return nil, mistake(toolKey(i, "scope"), "tool %s: the scope %s is not declared: %s; or add scope %s \"what people read\"", t.Name, t.Scope, suggest(t.Scope, known), t.Scope)
	}
	if err := checkDeclaredPermission(t.Permission); err != nil {
		return nil, mistake(toolKey(i, "permission"), "tool %s: %w", t.Name, err)
	}
	if operations := document.Operations(); !document.Has(t.Operation) && !slices.Contains(operations, t.Operation) {
		return nil, mistake(toolKey(i, "operation"), "tool %s: the document has no operation %q: %s", t.Name, t.Operation, suggest(t.Operation, operations))
	}
	made, err := document.Tool(openapi.ToolConfig{
		Name: t.Name, Operation: t.Operation, Scope: t.Scope, Permission: t.Permission, Title: t.Title, Description: t.Description, Write: t.Write,
	})
	switch {
	case errors.Is(err, openapi.ErrMethod) && t.Write:
		return nil, mistake(toolKey(i, "write"), "tool %s: %w", t.Name, err)
	case errors.Is(err, openapi.ErrMethod):
		return nil, mistake(toolKey(i, ""), "tool %s: %w", t.Name, err)
	case err != nil:
		return nil, mistake(toolKey(i, "operation"), "tool %s: %w", t.Name, err)
	}
	return made, nil
}

// permissions lists those that the tools need, sorted.
func (o *OpenAPI) permissions() []string {
	var list []string
	for _, t := range o.Tools {
		list = append(list, t.Permission)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// readDocument reads a file within the bounds of a document.
func readDocument(path string) (*openapi.Document, string, error) {
	if path == "" {
		return nil, "", errors.New("toolset openapi needs the file of a document: write toolset openapi FILE { … }")
	}
	// Before it is opened: a pipe or a device would hold up the load.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("the OpenAPI document cannot be read: %s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("the OpenAPI document cannot be read: %w", err)
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, openapi.MaxDocument+1))
	if err != nil {
		return nil, "", fmt.Errorf("the OpenAPI document cannot be read: %w", err)
	}
	document, err := openapi.Load(raw)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	sum := sha256.Sum256(raw)
	return document, hex.EncodeToString(sum[:]), nil
}

var (
	// scopeName is narrower than RFC 6749 §3.3, so that a scope can stand in a
	// Caddyfile, a challenge and an audit line as it is.
	scopeName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$`)
	permissionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*([.:][A-Za-z0-9_-]+)+$`)
)

// checkPermissionName accepts the form of a permission.
func checkPermissionName(name string) error {
	if len(name) > 128 || !permissionName.MatchString(name) {
		return fmt.Errorf("permission %q is not a name like billing.invoices.view", name)
	}
	return nil
}

// checkDeclaredPermission accepts a permission that a tool of a document may
// need: its own, or one of a built-in toolset. A name that is nearly built in
// would look like a slip in a role.
func checkDeclaredPermission(name string) error {
	builtIn := builtInPermissions()
	if slices.Contains(builtIn, name) {
		return nil
	}
	if err := checkPermissionName(name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "mcp.") {
		return fmt.Errorf("permission %s: names that begin with mcp. are the gateway's own", name)
	}
	if near := nearest(name, builtIn); near != "" {
		return fmt.Errorf("permission %s is easily taken for %s: choose another name", name, near)
	}
	return nil
}

// hasDirectory reports whether sign-in asks the backend about people.
func (b *Bridge) hasDirectory() bool {
	return b.OpenAPI == nil || b.OpenAPI.Directory != "none"
}

// checkTools makes the toolset of a bridge that was loaded.
func (b *Bridge) checkTools() (err error) {
	if b.Toolset != openAPIToolset {
		if b.OpenAPI != nil {
			return fmt.Errorf("openapi belongs to the toolset openapi, not to %s", b.Toolset)
		}
		return checkToolset(b.Toolset)
	}
	if b.OpenAPI == nil {
		return checkToolset(b.Toolset)
	}
	if err := checkDirectory(cmp.Or(b.OpenAPI.Directory, "ask")); err != nil {
		return err
	}
	if b.OpenAPI.File, err = resolve(b.OpenAPI.File); err != nil {
		return err
	}
	b.declared, err = b.OpenAPI.compile()
	return err
}

// checkDirectory accepts how people are known to a backend.
func checkDirectory(s string) error {
	if s != "ask" && s != "none" {
		return fmt.Errorf("directory is %q, want ask or none", s)
	}
	return nil
}
