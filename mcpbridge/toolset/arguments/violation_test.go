package arguments_test

import (
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
)

// TestWhatIsWrongIsSaidInWords has the keywords that documents of others use;
// those of the App Store's own schemas are tested with them.
func TestWhatIsWrongIsSaidInWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, schema, arguments, want string }{
		{"a fraction", `{"type":"number","minimum":0.5}`, `0.25`, "a must be a number of at least 0.5; it is 0.25"},
		{"a multiple", `{"type":"number","multipleOf":5}`, `7`, "a must be a number that is a multiple of 5; it is 7"},
		{"a bound that is not admitted", `{"type":"integer","exclusiveMaximum":5}`, `5`, "a must be a whole number less than 5; it is 5"},
		{"a kind or null", `{"type":["string","null"],"maxLength":2}`, `"abc"`, "a must be text of at most 2 characters or null; it is 3 characters long"},
		{"neither of two kinds", `{"type":["string","integer"]}`, `true`, "a must be text or a whole number; it is true"},
		{"a choice of numbers", `{"type":"integer","enum":[1,2,null]}`, `3`, "a must be one of 1, 2 or null; it is 3"},
		{"a pattern", `{"type":"string","pattern":"^[a-z]+$"}`, `"A"`, "a must be text that matches the pattern ^[a-z]+$; it is not of that form"},
		{"a part of all", `{"type":"string","allOf":[{"maxLength":1}]}`, `"ab"`, "a must be text of at most 1 characters; it is 2 characters long"},
		{"no form of several", `{"anyOf":[{"type":"integer"},{"type":"boolean"}]}`, `"x"`, "a must have one of the forms: a whole number; or true or false; it is text"},
		{"two forms of one", `{"oneOf":[{"type":"integer"},{"type":"number"}]}`, `1`, "a must fit exactly one of the forms that the schema offers; it fits 2"},
		{"a value of a map", `{"type":"object","additionalProperties":{"type":"integer"}}`, `{"k":"x"}`, "a.k must be a whole number; it is text"},
		{"too few members", `{"type":"object","minProperties":2,"additionalProperties":true}`, `{"k":1}`, "a must have at least 2 members; it has 1"},
		{"a list that is too long", `{"type":"array","maxItems":1,"items":{}}`, `[1,2]`, "a must be a list of at most 1 entries; it is a list of 2"},
		{"what cannot be joined", `{"type":"string","pattern":"^[^,\\x00-\\x1f\\x7f]*$"}`, `"a,b"`, "a must be text without commas and control characters; it is not of that form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			schema, err := arguments.Compile(`{"type":"object","additionalProperties":false,"properties":{"a":` + tt.schema + `}}`)
			if err != nil {
				t.Fatal(err)
			}
			err = arguments.Check(schema, []byte(`{"a":`+tt.arguments+`}`))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestASchemaThatRefersToAnotherIsRefused(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{`{"$ref":"https://a.example/"}`, `{"$ref":"#"}`, `{`, `{"type":7}`, `{"pattern":"("}`} {
		if _, err := arguments.Compile(schema); err == nil {
			t.Errorf("%s was accepted", schema)
		}
	}
}

func TestArgumentsThatAreNoObjectAreRefused(t *testing.T) {
	t.Parallel()
	schema, err := arguments.Compile(`{"type":"object"}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{``, `{`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, "{\"a\":\"\xff\"}", `[]`, `{"a":1e999}`, `{"a":"` + strings.Repeat("a", 64<<10) + `"}`} {
		if err := arguments.Check(schema, []byte(raw)); err == nil {
			t.Errorf("%.20s was accepted", raw)
		}
	}
	if err := arguments.Check(schema, []byte(`{"a":1e300}`)); err != nil {
		t.Error(err)
	}
}
