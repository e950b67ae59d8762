package openapi_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/openapi"
)

// FuzzLoad: whatever a document says, it is refused with a reason, or each of
// its operations is refused with a reason or becomes a tool with valid schemas.
func FuzzLoad(f *testing.F) {
	// Short ones: the fuzzer spends its time on making long ones shorter.
	f.Add(`{"openapi":"3.1.0","paths":{"/a":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/paths"}}}}}}}}`)
	f.Add("openapi: 3.0.0\npaths: {/a: {get: {parameters: [{$ref: '#/paths/~1a/get/parameters/0'}]}}}")
	f.Add("openapi: 3.1.0\npaths: {/{a}: {put: {parameters: [{name: a, in: path, schema: {type: [string, integer]}}]}}}")
	f.Add(`{"openapi":"3.1.0","paths":{"/a":{"get":{"responses":{"200":{"content":{"application/json":{"schema":{"allOf":[{"$ref":"#/paths/~1a/get/responses/200/content/application~1json/schema"}]}}}}}}}}}`)
	f.Add("openapi: 3.1.0\npaths: {/a: {get: {parameters: [{name: a, in: query, schema: {minimum: 1, exclusiveMinimum: true, multipleOf: 0, pattern: '(', enum: []}}]}}}")
	f.Add("openapi: 3.0.1\nservers: [{url: /v1}]\npaths: {/a: {delete: {operationId: x, parameters: [{name: X-A, in: header}], responses: {204: {}}}}}")
	f.Add("openapi: 3.1.0\npaths: {/a: {post: {requestBody: {required: true, content: {application/json: {schema: {oneOf: [{type: string, nullable: true}, {properties: {a: {readOnly: true}}}]}}}}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := openapi.Load([]byte(text))
		if err != nil {
			return
		}
		_, c := newWire(t)
		for _, name := range d.Operations() {
			for _, write := range []bool{false, true} {
				tool, err := d.Tool(openapi.ToolConfig{Name: "t", Operation: name, Scope: "s", Permission: "p", Write: write})
				if err != nil {
					if !utf8.ValidString(err.Error()) {
						t.Errorf("the message of %q is no text", name)
					}
					continue
				}
				set, err := openapi.New(openapi.Config{Tools: []*openapi.Tool{tool}, Backend: c})
				if err != nil {
					t.Fatal(err)
				}
				got := set.List()[0]
				if !jsontext.Value(got.InputSchema).IsValid() || len(got.OutputSchema) > 0 && !jsontext.Value(got.OutputSchema).IsValid() || got.Description == "" {
					t.Errorf("%+v", got)
				}
				_ = call(t.Context(), set, `{}`)
			}
		}
	})
}

// FuzzArguments: whatever a model writes, one request of the documented form is
// sent, or none.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{
		`{"p":"a"}`, `{"p":"..","q":"x"}`, `{"p":"a","q":"a&b=c#d"}`, `{"p":"a","l":["1,2","3"]}`, `{"p":"a","l":["1","2"]}`, `{"p":"a","X-Tenant":"a\r\nb"}`,
		`{"p":"a","m":{"a":1e309}}`, `{"p":"%2e%2e","n":1e3}`, `{"p":"a","p":"b"}`, `{"P":"a"}`, `{"p":["a"]}`, `{"p":"a","__proto__":{}}`, `{"p":"a\u0000"}`, `[]`, `{"p":"a","n":-0.0}`,
		`{"p":"a","telemetry":{"intent":"x"}}`, `{"p":"a","q":"\ud800"}`, `{"p":"ａ","r":[true,false]}`,
	} {
		f.Add(seed)
	}
	d := one(f, "POST /a/{p}/b", `
parameters:
  - {name: p, in: path, required: true}
  - {name: q, in: query}
  - {name: n, in: query, schema: {type: integer}}
  - {name: l, in: query, explode: false, schema: {type: array, items: {type: string}}}
  - {name: r, in: query, schema: {type: array, items: {type: boolean}}}
  - {name: X-Tenant, in: header}
requestBody: {content: {application/json: {schema: {type: object, properties: {m: {type: object}}}}}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		set, w := setOf(t, d, config("POST /a/{p}/b"))
		r := call(t.Context(), set, raw)
		line := w.last()
		if line == "" {
			if r.Code != "invalid_arguments" || r.WriteOutcome != "failed_validation" {
				t.Fatalf("nothing was sent and the result is %+v", r)
			}
			return
		}
		if strings.ContainsAny(line, "\r\n\x00") && !strings.Contains(line, "{") {
			t.Fatalf("sent %q", line)
		}
		target := strings.Fields(line)[1]
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		if parts := strings.Split(u.EscapedPath(), "/"); len(parts) != 4 || parts[1] != "a" || parts[3] != "b" || u.EscapedPath() != u.Path || parts[2] == ".." || parts[2] == "." {
			t.Fatalf("the path is %q", u.EscapedPath())
		}
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			t.Fatalf("the query is %q: %v", u.RawQuery, err)
		}
		for name, values := range query {
			if !slices.Contains([]string{"q", "n", "l", "r"}, name) || name != "r" && len(values) != 1 {
				t.Fatalf("the query has %s: %q", name, values)
			}
		}
		if _, body, ok := strings.Cut(line, " {"); ok && !strings.Contains(line, "X-Tenant") {
			if !jsontext.Value("{" + body).IsValid() {
				t.Fatalf("the body is %q", body)
			}
		}
	})
}

// FuzzAnswer: whatever a backend answers, what leaves is valid and matches what
// is published, or the call fails.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{"a":"x","n":1,"o":{"k":[1,null]},"l":[{"a":"y"}]}`, `[]`, `{"a":1}`, `{"n":1e400}`, `{"o":{"\u202e":1}}`, `{"a":"\ud800"}`, `{"l":[[],{}]}`, `{"a":"x"}}`} {
		f.Add(seed)
	}
	d := one(f, "GET /a", answers("{type: object, properties: {a: {type: string}, n: {type: [integer, 'null']}, o: {type: object, additionalProperties: true}, l: {type: array, items: {type: object, properties: {a: {type: string}}}}}}"))
	f.Fuzz(func(t *testing.T, answer string) {
		set, w := setOf(t, d, config("GET /a"))
		answered(t, set, w, answer)
	})
}
