package openapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/openapi"
)

// answered returns what a model gets of an answer under a schema, and checks it
// against the published one.
func answered(tb testing.TB, set *openapi.Set, w *wire, answer string) (content, text string) {
	tb.Helper()
	w.body = answer
	r := call(tb.Context(), set, `{}`)
	if r.IsError {
		return "", r.Code
	}
	published, err := arguments.Compile(string(set.List()[0].OutputSchema))
	if err != nil {
		tb.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(r.Structured, &value); err != nil {
		tb.Fatalf("%v: %s", err, r.Structured)
	}
	if err := published.Validate(value); err != nil {
		tb.Errorf("the result does not match the published schema: %v\n%s\n%s", err, r.Structured, set.List()[0].OutputSchema)
	}
	return string(r.Structured), r.Text
}

func answers(schema string) string {
	return "responses: {200: {content: {application/json: {schema: " + schema + "}}}}"
}

func TestOnlyWhatIsPublishedLeaves(t *testing.T) {
	t.Parallel()
	const invoice = "{type: object, required: [id], properties: {id: {type: string}, total: {type: integer}, tags: {type: array, items: {type: string, enum: [a]}}, secret: {type: string, writeOnly: true}, sub: {type: object, nullable: true, properties: {x: {type: boolean}}}}}"
	for _, tt := range []struct{ name, schema, answer, want string }{
		{"what is described", invoice, `{"id":"1","total":5,"tags":["a"],"sub":{"x":true}}`, `{"id":"1","total":5,"tags":["a"],"sub":{"x":true}}`},
		{"members that are not described", invoice, `{"id":"1","password":"x","sub":{"y":1,"x":false}}`, `{"id":"1","sub":{"x":false}}`},
		{"a member that is only written", invoice, `{"id":"1","secret":"x"}`, `{"id":"1"}`},
		{"a required member that is missing", invoice, `{}`, `{}`},
		{"a member of another kind", invoice, `{"id":7,"total":"5","tags":{"a":1},"sub":[]}`, `{}`},
		{"null where it is documented", invoice, `{"id":null,"sub":null}`, `{"sub":null}`},
		{"a value that the document does not know yet", invoice, `{"tags":["b",1,null]}`, `{"tags":["b"]}`},
		{"a fraction for a whole number", invoice, `{"total":1.5}`, `{}`},
		{"a whole number in another form", invoice, `{"total":1.0}`, `{"total":1.0}`},
		{"digits are kept", "{type: object, properties: {n: {type: integer}}}", `{"n":12345678901234567890}`, `{"n":12345678901234567890}`},
		{"a number that nobody can read", "{type: object, properties: {n: {type: number}}}", `{"n":1e999}`, `{}`},
		{"text is cleaned", invoice, `{"id":"a\u001b[31m\u202eb\u0000"}`, `{"id":"a[31mb"}`},
		{"text that looks like JSON stays text", invoice, `{"id":"\"},\"result\":{"}`, `{"id":"\"},\"result\":{"}`},
		{"a list", "{type: array, items: " + invoice + "}", `[{"id":"1","x":2},{"id":"2"},3]`, `{"result":[{"id":"1"},{"id":"2"}]}`},
		{"text", "{type: string}", `"a"`, `{"result":"a"}`},
		{"an object or null", "{type: object, nullable: true, properties: {a: {type: string}}}", `null`, `{"result":null}`},
		{"a map", "{type: object, additionalProperties: {type: integer}}", `{"a":1,"b":"x","c\u001b":3}`, `{"a":1}`},
		{"an open object", "{type: object, additionalProperties: true}", `{"a":{"b":[1,"x",null,true]}}`, `{"a":{"b":[1,"x",null,true]}}`},
		{"a member that is some object", "{type: object, properties: {a: {type: object}}}", `{"a":{"b":1},"c":1}`, `{"a":{"b":1}}`},
		{"a member of which nothing is said", "{type: object, properties: {a: {}}}", `{"a":{"b":[1]},"c":1}`, `{"a":{"b":[1]}}`},
		{"either", "{oneOf: [{type: object, properties: {a: {type: string}}}, {type: object, properties: {b: {type: integer}, a: {type: integer}}}]}", `{"a":1,"b":2,"c":3}`, `{"a":1,"b":2}`},
		{"either, with what both have", "{type: object, properties: {k: {type: string}}, anyOf: [{properties: {a: {type: string}}}]}", `{"k":"x","a":"y","z":1}`, `{"k":"x","a":"y"}`},
		{"all of", "{allOf: [{properties: {a: {type: string}}}, {properties: {b: {type: string, enum: [x]}}}, {properties: {b: {type: string, enum: [y]}}}]}", `{"a":"1","b":"z","c":1}`, `{"a":"1","b":"z"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, w := setOf(t, one(t, "GET /a", answers(tt.schema)), config("GET /a"))
			if got, _ := answered(t, set, w, tt.answer); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAnAnswerThatDoesNotFitIsAnError(t *testing.T) {
	t.Parallel()
	set, w := setOf(t, one(t, "GET /a", answers("{type: object, properties: {a: {type: string}}}")), config("GET /a"))
	for _, answer := range []string{`[]`, `"a"`, `null`, `{"a":"x"`, `{"a":"x"} {}`, `{"a":"x","a":"y"}`, `{"a":"` + "\xff" + `"}`, `x`, ` `} {
		if _, code := answered(t, set, w, answer); code != "backend_bad_answer" {
			t.Errorf("%q: code %q", answer, code)
		}
	}
}

func TestALongAnswerIsCutAndSaysSo(t *testing.T) {
	t.Parallel()
	set, w := setOf(t, one(t, "GET /a", answers("{type: object, properties: {a: {type: array, items: {type: string}}, z: {type: integer}}}")), config("GET /a"))
	content, text := answered(t, set, w, `{"a":["`+strings.Repeat(`x","`, 600)+`x"],"z":1}`)
	if strings.Count(content, "x") != 500 || !strings.HasSuffix(content, `,"z":1}`) || !strings.Contains(text, "101 parts of it were left out") {
		t.Errorf("%d entries, %q", strings.Count(content, "x"), text)
	}
	content, text = answered(t, set, w, `{"a":["`+strings.Repeat(strings.Repeat("y", 9000)+`","`, 100)+`"],"z":1}`)
	if len(content) > 300<<10 || !strings.Contains(text, "left out") || !strings.Contains(content, "…") {
		t.Errorf("%d bytes, %q", len(content), text)
	}
	if _, text = answered(t, set, w, `{"a":["x"]}`); text != "" {
		t.Errorf("a short answer says %q", text)
	}
}

func TestAnAnswerThatContainsItselfIsPublishedToADepth(t *testing.T) {
	t.Parallel()
	const tree = "{type: object, properties: {n: {type: integer}, up: {$ref: '#/paths/~1a/get/responses/200/content/application~1json/schema'}}}"
	set, w := setOf(t, one(t, "GET /a", answers(tree)), config("GET /a"))
	content, _ := answered(t, set, w, strings.Repeat(`{"n":1,"up":`, 30)+`{"n":1}`+strings.Repeat(`}`, 30))
	if n := strings.Count(content, `"n":1`); n < 5 || n > 12 {
		t.Errorf("%d levels: %s", n, content)
	}
}

func TestDeepAndWideAnswersOfWhichNothingIsSaidAreBounded(t *testing.T) {
	t.Parallel()
	set, w := setOf(t, one(t, "GET /a", answers("{type: object, additionalProperties: true}")), config("GET /a"))
	content, _ := answered(t, set, w, strings.Repeat(`{"a":`, 200)+`1`+strings.Repeat(`}`, 200))
	if n := strings.Count(content, "{"); n > 20 {
		t.Errorf("%d levels", n)
	}
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	content, text := answered(t, set, w, `{`+b.String()[1:]+`}`)
	if n := strings.Count(content, `"k`); n != 500 || !strings.Contains(text, "1500 parts") {
		t.Errorf("%d members, %q", n, text)
	}
}

func TestAWriteWhoseAnswerIsNotDescribedTellsItsOutcomeOnly(t *testing.T) {
	t.Parallel()
	set, w := setOf(t, one(t, "POST /a", answers("{}")), config("POST /a"))
	w.body = `{"id":"1","secret":"x"}`
	r := call(t.Context(), set, `{}`)
	if r.IsError || r.Structured != nil || r.Text != "Done." || r.WriteOutcome != "updated" || len(set.List()[0].OutputSchema) > 0 {
		t.Errorf("%+v", r)
	}
}
