package openapi_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/mcpbridge"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/openapi"
)

func TestADocumentIsReadWithinBounds(t *testing.T) {
	t.Parallel()
	const get = "paths: {/a: {get: {}}}\n"
	for _, tt := range []struct{ name, text, says string }{
		{"nothing", "", "neither JSON nor YAML"},
		{"a list", "- a", "not an object"},
		{"broken JSON", `{"openapi": "3.1.0"`, "not JSON"},
		{"two JSON values", `{"openapi": "3.1.0"} {}`, "not JSON"},
		{"a name twice in JSON", `{"openapi": "3.1.0", "openapi": "3.1.0"}`, "duplicate"},
		{"a name twice in YAML", "openapi: 3.1.0\nopenapi: 3.1.0", `line 2: "openapi" stands twice`},
		{"two YAML documents", "openapi: 3.1.0\n---\nopenapi: 3.1.0", "more than one document"},
		{"an alias", "openapi: 3.1.0\na: &a {}\nb: *a", "line 2: anchors and aliases"},
		{"a merge", "openapi: 3.1.0\na: {<<: {}}", "line 2"},
		{"a tag", "openapi: !!binary aGk=", "line 1: the tag"},
		{"a number that JSON has not", "openapi: .inf", "not a number of JSON"},
		{"the time before 3.0", "swagger: '2.0'", "convert it"},
		{"an unknown version", "openapi: 4.0.0", `"4.0.0": 3.0 and 3.1 are read`},
		{"no operations", "openapi: 3.1.0", "no operations"},
		{"variables in the server", "openapi: 3.1.0\nservers: [{url: 'https://{host}/'}]\n" + get, "without variables"},
		{"a server whose path needs an escape", "openapi: 3.1.0\nservers: [{url: 'https://a.example/b%2f'}]\n" + get, "needs an escape"},
		{"nested too deep in JSON", `{"openapi":"3.1.0","x":` + strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200) + `}`, "deep"},
		{"nested too deep in YAML", "openapi: 3.1.0\nx: " + strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200), "deep"},
		{"too long", strings.Repeat(" ", openapi.MaxDocument+1), "longer than 8 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := openapi.Load([]byte(tt.text))
			if !errors.Is(err, openapi.ErrDocument) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error is %v, want one with %q", err, tt.says)
			}
		})
	}
}

func TestYAMLAndJSONAreTheSameDocument(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/billing.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := load(t, string(raw)).Tool(config("GET /invoices"))
	if err != nil {
		t.Fatal(err)
	}
	// JSON is YAML, but for the tab that indents it.
	got, err := load(t, "# a comment\n"+strings.ReplaceAll(string(raw), "\t", "  ")).Tool(config("GET /invoices"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := listed(t, want), listed(t, got); string(a.InputSchema) != string(b.InputSchema) || string(a.OutputSchema) != string(b.OutputSchema) {
		t.Errorf("%s\n%s", a.InputSchema, b.InputSchema)
	}
}

func listed(t *testing.T, tool *openapi.Tool) toolset.Tool {
	t.Helper()
	_, c := newWire(t)
	set, err := openapi.New(openapi.Config{Tools: []*openapi.Tool{tool}, Backend: c})
	if err != nil {
		t.Fatal(err)
	}
	return set.List()[0]
}

// member returns the published schema of one argument, or of the whole.
func member(t *testing.T, tool *openapi.Tool, name string) string {
	t.Helper()
	var s struct {
		Properties map[string]jsontext.Value `json:"properties"`
	}
	if err := json.Unmarshal(listed(t, tool).InputSchema, &s); err != nil {
		t.Fatal(err)
	}
	return string(s.Properties[name])
}

func TestSchemasOfArgumentsArePublishedAsJSONSchema(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, schema, want string }{
		{"nullable", "{type: string, nullable: true}", `{"type":["null","string"]}`},
		{"a nullable choice", "{type: string, nullable: true, enum: [a]}", `{"enum":["a",null],"type":["null","string"]}`},
		{"a bound that is not admitted, as a flag", "{type: integer, minimum: 1, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false}", `{"exclusiveMinimum":1,"maximum":9,"type":"integer"}`},
		{"a bound that is not admitted, as a number", "{type: number, exclusiveMaximum: 5}", `{"exclusiveMaximum":5,"type":"number"}`},
		{"an example", "{type: string, example: Ada}", `{"examples":["Ada"],"type":"string"}`},
		{"an example of another type", "{type: string, example: 1}", `{"type":"string"}`},
		{"a default", "{type: boolean, default: false}", `{"default":false,"type":"boolean"}`},
		{"a default of another type", "{type: integer, default: many}", `{"type":"integer"}`},
		{"a constant", "{const: a}", `{"enum":["a"],"type":"string"}`},
		{"this or null", "{anyOf: [{type: integer}, {type: 'null'}]}", `{"type":["integer","null"]}`},
		{"this or that", "{oneOf: [{type: integer}, {type: string, maxLength: 3}]}", `{"oneOf":[{"type":"integer"},{"maxLength":3,"type":"string"}]}`},
		{"all of", "{allOf: [{type: object, required: [a], properties: {a: {type: string}}}, {properties: {b: {type: integer}}}]}",
			`{"additionalProperties":false,"properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"],"type":"object"}`},
		{"all of, twice bounded", "{allOf: [{type: string, maxLength: 9}, {type: string, maxLength: 5, minLength: 1}]}", `{"maxLength":5,"minLength":1,"type":"string"}`},
		{"an object with named members is closed", "{type: object, additionalProperties: true, properties: {a: {type: string}}}", `{"additionalProperties":false,"properties":{"a":{"type":"string"}},"type":"object"}`},
		{"a map", "{type: object, additionalProperties: {type: string}, maxProperties: 3}", `{"additionalProperties":{"type":"string"},"maxProperties":3,"type":"object"}`},
		{"an object of which nothing is said", "{type: object}", `{"additionalProperties":true,"type":"object"}`},
		{"a member that only the backend sets", "{type: object, required: [id], properties: {id: {type: string, readOnly: true}, a: {type: string}}}", `{"additionalProperties":false,"properties":{"a":{"type":"string"}},"type":"object"}`},
		{"a list", "{type: array, items: {type: string}, uniqueItems: true, minItems: 1}", `{"items":{"type":"string"},"minItems":1,"type":"array","uniqueItems":true}`},
		{"a pattern of another language is shown, not enforced", `{type: string, pattern: "^(?!x).*$"}`, `{"description":"Pattern: ^(?!x).*$","type":"string"}`},
		{"a pattern that is too long is left to the backend", `{type: string, description: x, pattern: "` + strings.Repeat("a", 1001) + `"}`, `{"description":"x Pattern: ` + strings.Repeat("a", 488) + `…","type":"string"}`},
		{"a step", "{type: integer, multipleOf: 5}", `{"multipleOf":5,"type":"integer"}`},
		{"a step that the machine cannot say is shown, not enforced", "{type: number, multipleOf: 0.01}", `{"description":"A multiple of 0.01.","type":"number"}`},
		{"a description is one printable line", `{type: string, description: "a\n\nb \u001b[31mc\u202e"}`, `{"description":"a b [31mc","type":"string"}`},
		{"keywords of other places are dropped", "{type: string, xml: {name: x}, externalDocs: {}, discriminator: {}, x-a: 1, minimum: 3}", `{"type":"string"}`},
		{"the kind is plain from the content", "{properties: {a: {items: {pattern: a}}}}", `{"additionalProperties":false,"properties":{"a":{"items":{"pattern":"a","type":"string"},"type":"array"}},"type":"object"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := one(t, "POST /a", "requestBody: {content: {application/json: {schema: {type: object, properties: {x: "+tt.schema+"}}}}}")
			tool, err := d.Tool(config("POST /a"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, member(t, tool, "x")); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestAnOperationThatCannotBeAToolIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	body := func(schema string) string {
		return "requestBody: {content: {application/json: {schema: " + schema + "}}}"
	}
	parameter := func(rest string) string { return "parameters: [{name: p, " + rest + "}]" }
	for _, tt := range []struct{ name, route, operation, says string }{
		{"a reference to a file", "GET /a", parameter(`in: query, schema: {$ref: "other.yaml#/A"}`), "outside of the document"},
		{"a reference to an address", "POST /a", body(`{$ref: "https://a.example/#/A"}`), "outside of the document"},
		{"a reference to nothing", "POST /a", body(`{$ref: "#/components/schemas/A"}`), "refers to nothing"},
		{"a reference to itself", "GET /a", `parameters: [{$ref: "#/paths/~1a/get/parameters/0"}]`, "refers to itself"},
		{"a schema that consists of itself", "POST /a", body(`{$ref: "#/paths/~1a/post/requestBody/content/application~1json/schema"}`), "or of itself"},
		{"arguments that contain themselves", "POST /a", body(`{type: object, properties: {a: {$ref: "#/paths/~1a/post/requestBody/content/application~1json/schema/properties/b"}, b: {type: array, items: {$ref: "#/paths/~1a/post/requestBody/content/application~1json/schema/properties/b"}}}}`), "contains itself"},
		{"a keyword that is not taken", "POST /a", body(`{type: object, properties: {a: {not: {}}}}`), "uses not"},
		{"conditions", "POST /a", body(`{type: object, if: {}, then: {}}`), "uses if"},
		{"parts without a common type", "POST /a", body(`{allOf: [{type: string}, {type: integer}]}`), "no type in common"},
		{"parts that contradict each other", "POST /a", body(`{allOf: [{enum: [a]}, {enum: [b]}]}`), "differ in enum"},
		{"a type that is none", "POST /a", body(`{type: file}`), "none of JSON Schema"},
		{"a schema that is text", "POST /a", body(`text`), "where a schema belongs"},
		{"a count that is none", "POST /a", body(`{type: string, minLength: -1}`), "not a count"},
		{"a pipe delimited list", "GET /a", parameter("in: query, style: pipeDelimited, schema: {type: array}"), "only form"},
		{"an object in a query", "GET /a", parameter("in: query, schema: {type: object}"), "in a body only"},
		{"a list of lists in a query", "GET /a", parameter("in: query, schema: {type: array, items: {type: array}}"), "a query cannot hold"},
		{"a list or text in a query", "GET /a", parameter("in: query, schema: {anyOf: [{type: array}, {type: string}]}"), "only one of them"},
		{"a parameter with content", "GET /a", parameter("in: query, content: {application/json: {}}"), "has content"},
		{"a list in a header", "GET /a", parameter("in: header, schema: {type: array}"), "query or a body"},
		{"a header of ours that is required", "GET /a", "parameters: [{name: x-forwarded-for, in: header, required: true}]", "says who calls"},
		{"a cookie that is required", "GET /a", parameter("in: cookie, required: true"), "no cookies"},
		{"a place that is none", "GET /a", parameter("in: body"), `in "body"`},
		{"a matrix in a path", "GET /a/{p}", parameter("in: path, style: matrix"), "only simple"},
		{"a list in a path", "GET /a/{p}", parameter("in: path, schema: {type: array}"), "query or a body"},
		{"a fraction in a path", "GET /a/{p}", parameter("in: path, schema: {type: number}"), "it is number"},
		{"a choice that leaves its segment", "GET /a/{p}", parameter(`in: path, schema: {enum: ["a/b"]}`), "cannot be a part of a path"},
		{"a part of a segment", "GET /a/{p}.json", parameter("in: path"), "neither plain text nor one argument"},
		{"a segment that needs an escape", "GET /a:b", "summary: x", "neither plain text"},
		{"a parameter that the path has not", "GET /a", parameter("in: path"), "is not in the path"},
		{"a part of the path without a parameter", "GET /a/{p}", "summary: x", "not exactly one parameter"},
		{"an argument twice in the path", "GET /{p}/{p}", parameter("in: path"), "not exactly one parameter"},
		{"two parameters with one name", "GET /a/{p}", "parameters: [{name: p, in: path}, {name: p, in: query}]", "become the argument p"},
		{"a parameter with the name of ours", "GET /a", "parameters: [{name: telemetry, in: query}]", "rename the parameter"},
		{"a form", "POST /a", "requestBody: {content: {multipart/form-data: {schema: {type: object}}}}", "only application/json is sent"},
		{"a body without a schema", "POST /a", "requestBody: {content: {application/json: {}}}", "no schema"},
		{"a body that a DELETE needs", "DELETE /a", "requestBody: {required: true, content: {application/json: {schema: {type: object}}}}", "DELETE cannot carry"},
		{"an answer that is no JSON", "GET /a", "responses: {200: {content: {text/csv: {}}}}", "text/csv: only JSON"},
		{"an answer that is not described", "GET /a", "responses: {200: {content: {application/json: {schema: {}}}}}", "does not describe"},
		{"an answer of which only the kind is said", "GET /a", "responses: {200: {content: {application/json: {schema: {type: object}}}}}", "does not describe"},
		{"a server of its own", "GET /a", "servers: [{url: https://b.example}]", "servers of its own"},
		{"OPTIONS", "OPTIONS /a", "summary: x", "cannot be a tool"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := one(t, tt.route, tt.operation).Tool(config(tt.route))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error is %v, want one with %q", err, tt.says)
			}
		})
	}
}

func TestAMethodAndWriteAgree(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		route string
		write bool
		says  string
	}{
		{"GET /a", true, "remove write"},
		{"HEAD /a", true, "only reads"},
		{"POST /a", false, "add write"},
		{"PUT /a", false, "add write"},
		{"PATCH /a", false, "add write"},
		{"DELETE /a", false, "add write"},
	} {
		cfg := config(tt.route)
		cfg.Write = tt.write
		if _, err := one(t, tt.route, "summary: x").Tool(cfg); !errors.Is(err, openapi.ErrMethod) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.route, err)
		}
	}
}

func TestAnnotationsAreWhatTheMethodPromises(t *testing.T) {
	t.Parallel()
	const created = "responses: {201: {description: x}}"
	for _, tt := range []struct {
		route, operation string
		want             toolset.Annotations
	}{
		{"GET /a", "summary: x", toolset.Annotations{ReadOnly: true, Idempotent: true}},
		{"PUT /a", "summary: x", toolset.Annotations{Destructive: true, Idempotent: true}},
		{"DELETE /a", "summary: x", toolset.Annotations{Destructive: true, Idempotent: true}},
		{"PATCH /a", "summary: x", toolset.Annotations{Destructive: true}},
		{"POST /a", "summary: x", toolset.Annotations{Destructive: true}},
		{"POST /a", created, toolset.Annotations{}},
	} {
		tool, err := one(t, tt.route, tt.operation).Tool(config(tt.route))
		if err != nil {
			t.Fatal(err)
		}
		if got := listed(t, tool).Annotations; got != tt.want {
			t.Errorf("%s %s: %+v", tt.route, tt.operation, got)
		}
	}
}

func TestToolsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	d := one(t, "GET /a", "summary: List things\ndescription: \"Lists\\nthings.\\u202e\"\noperationId: list")
	cfg := config("list")
	tool, err := d.Tool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := listed(t, tool)
	if got.Title != "List things" || got.Description != "Lists\nthings." || got.Need != (mcpbridge.Need{Scope: "billing:x", Permission: "billing.x"}) {
		t.Errorf("%+v", got)
	}
	cfg.Title, cfg.Description = "Find", strings.Repeat("a", 2000)
	if tool, err = d.Tool(cfg); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, tool); got.Title != "Find" || len(got.Description) > 1010 {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"", "a b", "a/b", strings.Repeat("a", 65), "ä"} {
		cfg.Name = name
		if _, err := d.Tool(cfg); err == nil {
			t.Errorf("the name %q was accepted", name)
		}
	}
}

func TestToolsWithOneNameAreRefused(t *testing.T) {
	t.Parallel()
	tool, err := billing(t).Tool(config("GET /invoices"))
	if err != nil {
		t.Fatal(err)
	}
	_, c := newWire(t)
	if _, err := openapi.New(openapi.Config{Tools: []*openapi.Tool{tool, tool}, Backend: c}); err == nil {
		t.Error("was accepted")
	}
}

func TestAnOperationIsNamedByItsIDOrByMethodAndPath(t *testing.T) {
	t.Parallel()
	d := load(t, "openapi: 3.0.0\npaths: {/a: {get: {operationId: x}, post: {operationId: x}}, /b: {get: {}}}")
	if diff := cmp.Diff([]string{"x", "x", "GET /b"}, d.Operations()); diff != "" {
		t.Error(diff)
	}
	if d.Has("x") || !d.Has("GET /a") || !d.Has("GET /b") || d.Has("get /b") {
		t.Error("found the wrong ones")
	}
	if _, err := d.Tool(config("x")); err == nil || !strings.Contains(err.Error(), "name one by method and path") {
		t.Errorf("%v", err)
	}
}

// TestEveryOperationOfTheAppStoreCanBeATool reads a document that was not
// written for this package.
func TestEveryOperationOfTheAppStoreCanBeATool(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/lumos-appstore.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	d := load(t, string(raw))
	made := 0
	for _, name := range d.Operations() {
		cfg := openapi.ToolConfig{Name: name, Operation: name, Scope: "s", Permission: "p"}
		tool, err := d.Tool(cfg)
		if errors.Is(err, openapi.ErrMethod) {
			cfg.Write = true
			tool, err = d.Tool(cfg)
		}
		if err != nil {
			if name == "getUserRoles" && strings.Contains(err.Error(), "does not describe") { // it says "Unspecified."
				continue
			}
			t.Errorf("%s: %v", name, err)
			continue
		}
		made++
		for what, schema := range map[string][]byte{"input": listed(t, tool).InputSchema, "output": listed(t, tool).OutputSchema} {
			if len(schema) == 0 {
				continue
			}
			if _, err := arguments.Compile(string(schema)); err != nil {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
	if made < 30 {
		t.Errorf("only %d tools", made)
	}
}

func TestALargeDocumentIsCutOrRefusedAndNeverHangs(t *testing.T) {
	t.Parallel()
	// Each schema holds the next one twice: 2^40 parts when written out.
	var b strings.Builder
	b.WriteString("openapi: 3.1.0\npaths: {/a: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/S0'}}}}, responses: {200: {content: {application/json: {schema: {$ref: '#/components/schemas/S0'}}}}}}, " +
		"get: {responses: {200: {content: {application/json: {schema: {$ref: '#/components/schemas/S0'}}}}}}, " +
		"put: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/A0'}}}}}}}\ncomponents:\n  schemas:\n")
	for i := range 40 {
		fmt.Fprintf(&b, "    S%d: {type: object, properties: {a: {$ref: '#/components/schemas/S%d'}, b: {$ref: '#/components/schemas/S%d'}}}\n", i, i+1, i+1)
		if i >= 20 {
			continue
		}
		fmt.Fprintf(&b, "    A%d: {allOf: [{$ref: '#/components/schemas/A%d'}, {$ref: '#/components/schemas/A%d'}]}\n", i, i+1, i+1)
	}
	b.WriteString("    S40: {type: string}\n    A20: {type: string}\n")
	d := load(t, b.String())
	if _, err := d.Tool(config("POST /a")); err == nil || !strings.Contains(err.Error(), "nested more than") {
		t.Errorf("arguments: %v", err)
	}
	if _, err := d.Tool(config("PUT /a")); err == nil || !strings.Contains(err.Error(), "references") {
		t.Errorf("allOf: %v", err)
	}
	tool, err := d.Tool(config("GET /a"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(listed(t, tool).OutputSchema); n > 128<<10 {
		t.Errorf("the output schema has %d bytes", n)
	}
}
