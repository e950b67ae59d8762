package mcp

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// maxToolName is the limit of MCP 2026-07-28, server/tools, in bytes.
const maxToolName = 128

// listLifetime is for how long a client may keep a list, in milliseconds. A
// call is decided anew each time, so a stale list opens nothing.
const listLifetime = "300000"

// catalog is everything that is the same for every request, encoded once.
type catalog struct {
	entries []entry
	byName  map[string]*entry
	// needs are the distinct needs of all tools, so that a list asks for each once.
	needs []mcpbridge.Need

	serverMeta []byte // a _meta member with the server info, for modern results
	discover   []byte
	initialize map[string][]byte // by revision
	size       int               // of the tools in a list, in bytes
}

type entry struct {
	tool toolset.Tool
	need int    // index in needs
	json []byte // as it stands in a list
}

func newCatalog(tools []toolset.Tool, info ServerInfo, instructions string) (*catalog, error) {
	c := &catalog{byName: make(map[string]*entry, len(tools)), initialize: make(map[string][]byte, len(legacyRevisions))}
	c.entries = make([]entry, len(tools))
	for i, tool := range tools {
		encoded, err := encodeTool(tool)
		if err != nil {
			return nil, err
		}
		if c.byName[tool.Name] != nil {
			return nil, fmt.Errorf("%w: two tools have the name %q", ErrConfig, tool.Name)
		}
		need := slices.Index(c.needs, tool.Need)
		if need < 0 {
			need = len(c.needs)
			c.needs = append(c.needs, tool.Need)
		}
		c.entries[i] = entry{tool: tool, need: need, json: encoded}
		c.byName[tool.Name] = &c.entries[i]
		c.size += len(encoded) + 1
	}

	encodedInfo := encodeInfo(info)
	c.serverMeta = slices.Concat([]byte(`"_meta":{"`+metaServerInfo+`":`), encodedInfo, []byte(`}`))
	tail := []byte(`"capabilities":{"tools":{}}`)
	if instructions != "" {
		tail = append(tail, `,"instructions":`...)
		tail = jsonrpc.AppendString(tail, instructions)
	}
	c.discover = appendRevisions([]byte(`{"resultType":"complete","supportedVersions":`))
	c.discover = append(c.discover, `,"ttlMs":`+listLifetime+`,"cacheScope":"private",`...)
	c.discover = slices.Concat(c.discover, tail, []byte{','}, c.serverMeta, []byte{'}'})
	for _, revision := range legacyRevisions {
		c.initialize[revision] = slices.Concat([]byte(`{"protocolVersion":"`+revision+`","serverInfo":`), encodedInfo, []byte{','}, tail, []byte{'}'})
	}
	return c, nil
}

// encodeTool checks a tool and encodes it as it stands in tools/list.
func encodeTool(t toolset.Tool) ([]byte, error) {
	if !validToolName(t.Name) {
		return nil, fmt.Errorf("%w: %q is not a tool name", ErrConfig, t.Name)
	}
	if t.Description == "" {
		return nil, fmt.Errorf("%w: the tool %s has no description", ErrConfig, t.Name)
	}
	b := jsonrpc.AppendString([]byte(`{"name":`), t.Name)
	if t.Title != "" {
		b = jsonrpc.AppendString(append(b, `,"title":`...), t.Title)
	}
	b = jsonrpc.AppendString(append(b, `,"description":`...), t.Description)
	var err error
	if b, err = appendSchema(append(b, `,"inputSchema":`...), t.InputSchema); err != nil {
		return nil, fmt.Errorf("%w: the input schema of %s: %w", ErrConfig, t.Name, err)
	}
	if len(t.OutputSchema) > 0 {
		if b, err = appendSchema(append(b, `,"outputSchema":`...), t.OutputSchema); err != nil {
			return nil, fmt.Errorf("%w: the output schema of %s: %w", ErrConfig, t.Name, err)
		}
	}
	// All four hints are written out: the defaults of the protocol are not what a
	// reader expects.
	return fmt.Appendf(b, `,"annotations":{"readOnlyHint":%t,"destructiveHint":%t,"idempotentHint":%t,"openWorldHint":%t}}`,
		t.Annotations.ReadOnly, t.Annotations.Destructive, t.Annotations.Idempotent, t.Annotations.OpenWorld), nil
}

// appendSchema appends a schema without spaces. Its root must be of type object.
func appendSchema(dst []byte, schema []byte) ([]byte, error) {
	var root [1]jsontext.Value
	if !jsonrpc.Members(schema, []string{"type"}, root[:]) {
		return nil, fmt.Errorf("not a JSON object")
	}
	if kind, ok := jsonrpc.Unquote(root[0]); !ok || string(kind) != "object" {
		return nil, fmt.Errorf(`the root type is not "object"`)
	}
	return jsontext.AppendFormat(dst, schema)
}

func encodeInfo(info ServerInfo) []byte {
	b := jsonrpc.AppendString([]byte(`{"name":`), info.Name)
	if info.Title != "" {
		b = jsonrpc.AppendString(append(b, `,"title":`...), info.Title)
	}
	b = jsonrpc.AppendString(append(b, `,"version":`...), info.Version)
	return append(b, '}')
}

// validToolName applies MCP 2026-07-28, server/tools: 1–128 of [A-Za-z0-9_.-].
func validToolName(name string) bool {
	if name == "" || len(name) > maxToolName {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}
