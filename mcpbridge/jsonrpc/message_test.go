package jsonrpc_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/mcpbridge/jsonrpc"
)

func TestParseAccepts(t *testing.T) {
	tests := map[string]struct {
		in, id, method, params string
	}{
		"a request with a string id":                    {`{"jsonrpc":"2.0","id":"a b","method":"m","params":{}}`, `"a b"`, "m", `{}`},
		"a request with an integer id":                  {`{"jsonrpc":"2.0","id":7,"method":"m"}`, `7`, "m", ``},
		"an id beyond 64 bits, digit for digit":         {`{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"m"}`, `123456789012345678901234567890`, "m", ``},
		"an id with escapes, escape for escape":         {`{"jsonrpc":"2.0","id":"\u0041\n","method":"m"}`, `"\u0041\n"`, "m", ``},
		"a notification, which has no id":               {`{"jsonrpc":"2.0","method":"notifications/initialized"}`, ``, "notifications/initialized", ``},
		"members in any order and space around them":    {" {\n\"params\" : {\"a\": 1} , \"method\":\"m\",\"id\":1,\"jsonrpc\":\"2.0\" }\r\n", `1`, "m", `{"a": 1}`},
		"an escaped member name as what it spells":      {`{"jsonrpc":"2.0","id":1,"\u006dethod":"m"}`, `1`, "m", ``},
		"an escaped method as what it spells":           {`{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall"}`, `1`, "tools/call", ``},
		"null for absent params":                        {`{"jsonrpc":"2.0","id":1,"method":"m","params":null}`, `1`, "m", ``},
		"nesting up to the limit":                       {`{"jsonrpc":"2.0","id":1,"method":"m","params":` + nested(jsonrpc.MaxDepth-1) + `}`, `1`, "m", nested(jsonrpc.MaxDepth - 1)},
		"brackets in strings, which are no nesting":     {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"s":"` + strings.Repeat(`[{\"`, 100) + `"}}`, `1`, "m", `{"s":"` + strings.Repeat(`[{\"`, 100) + `"}`},
		"the same name in two different objects":        {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"id":2,"a":{"id":3}}}`, `1`, "m", `{"id":2,"a":{"id":3}}`},
		"names in params that differ only in case":      {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1,"A":2}}`, `1`, "m", `{"a":1,"A":2}`},
		"many siblings, which are not deep":             {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[` + strings.Repeat(`{},`, 200) + `{}]}}`, `1`, "m", `{"a":[` + strings.Repeat(`{},`, 200) + `{}]}`},
		"an empty string as id, which is a string":      {`{"jsonrpc":"2.0","id":"","method":"m"}`, `""`, "m", ``},
		"a negative id":                                 {`{"jsonrpc":"2.0","id":-5,"method":"m"}`, `-5`, "m", ``},
		"characters beyond ASCII in strings":            {`{"jsonrpc":"2.0","id":"é","method":"m","params":{"q":"日本"}}`, `"é"`, "m", `{"q":"日本"}`},
		"an escaped pair of surrogates":                 {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"q":"\ud83d\ude00"}}`, `1`, "m", `{"q":"\ud83d\ude00"}`},
		"an unknown method, which is for others to say": {`{"jsonrpc":"2.0","id":1,"method":"no/such"}`, `1`, "no/such", ``},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := []byte(tc.in)
			m, err := jsonrpc.Parse(in)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			got := [4]any{string(m.ID), m.HasID, m.Method, string(m.Params)}
			want := [4]any{tc.id, tc.id != "", tc.method, tc.params}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if string(in) != tc.in {
				t.Error("the input was changed")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const parse, invalid, params = jsonrpc.CodeParseError, jsonrpc.CodeInvalidRequest, jsonrpc.CodeInvalidParams
	tests := map[string]struct {
		in   string
		code int
		id   string // that the answer can repeat
	}{
		"nothing":                                {``, parse, ``},
		"space only":                             {"  \n", parse, ``},
		"what is not JSON":                       {`hello`, parse, ``},
		"a frame cut off":                        {`{"jsonrpc":"2.0","id":1,"method":"m"`, parse, ``},
		"a byte order mark":                      {"\ufeff" + `{"jsonrpc":"2.0","id":1,"method":"m"}`, parse, ``},
		"a second frame":                         {`{"jsonrpc":"2.0","id":1,"method":"m"}{"jsonrpc":"2.0","id":2,"method":"m"}`, parse, ``},
		"data after the frame":                   {`{"jsonrpc":"2.0","id":1,"method":"m"} x`, parse, ``},
		"a trailing comma":                       {`{"jsonrpc":"2.0","id":1,"method":"m",}`, parse, ``},
		"a comment":                              {`{"jsonrpc":"2.0",/**/"id":1,"method":"m"}`, parse, ``},
		"single quotes":                          {`{'jsonrpc':'2.0'}`, parse, ``},
		"an invalid byte in a string":            {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"q\":\"\xff\"}}", parse, ``},
		"half a pair of surrogates":              {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"q":"\ud83d"}}`, parse, ``},
		"a control character in a string":        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"q\":\"\x00\"}}", parse, ``},
		"a batch":                                {`[{"jsonrpc":"2.0","id":1,"method":"m"}]`, invalid, ``},
		"an empty batch":                         {`[]`, invalid, ``},
		"a string":                               {`"m"`, invalid, ``},
		"null":                                   {`null`, invalid, ``},
		"a number":                               {`1`, invalid, ``},
		"the method twice":                       {`{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}`, invalid, ``},
		"the method twice, once escaped":         {`{"jsonrpc":"2.0","id":1,"method":"tools/list","\u006dethod":"tools/call"}`, invalid, ``},
		"a name twice in params":                 {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"a","name":"b"}}`, invalid, ``},
		"a name twice deep inside":               {`{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[{"b":{"c":1,"c":2}}]}}`, invalid, ``},
		"Method for method":                      {`{"jsonrpc":"2.0","id":1,"Method":"m"}`, invalid, `1`},
		"Method beside method":                   {`{"jsonrpc":"2.0","id":1,"method":"m","Method":"n"}`, invalid, `1`},
		"a name with the Kelvin sign for k":      {`{"jsonrpc":"2.0","id":1,"method":"m","to` + "\u212a" + `en":1}`, invalid, `1`},
		"an unknown member":                      {`{"jsonrpc":"2.0","id":1,"method":"m","extra":1}`, invalid, `1`},
		"a result":                               {`{"jsonrpc":"2.0","id":1,"result":{}}`, invalid, `1`},
		"an error":                               {`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}`, invalid, `1`},
		"a request that is a response too":       {`{"jsonrpc":"2.0","id":1,"method":"m","result":{}}`, invalid, `1`},
		"null for the id":                        {`{"jsonrpc":"2.0","id":null,"method":"m"}`, invalid, ``},
		"a fraction for the id":                  {`{"jsonrpc":"2.0","id":1.0,"method":"m"}`, invalid, ``},
		"an exponent in the id":                  {`{"jsonrpc":"2.0","id":1e2,"method":"m"}`, invalid, ``},
		"an object for the id":                   {`{"jsonrpc":"2.0","id":{},"method":"m"}`, invalid, ``},
		"true for the id":                        {`{"jsonrpc":"2.0","id":true,"method":"m"}`, invalid, ``},
		"no version":                             {`{"id":1,"method":"m"}`, invalid, `1`},
		"version 1.0":                            {`{"jsonrpc":"1.0","id":1,"method":"m"}`, invalid, `1`},
		"the version as a number":                {`{"jsonrpc":2.0,"id":1,"method":"m"}`, invalid, `1`},
		"no method":                              {`{"jsonrpc":"2.0","id":1}`, invalid, `1`},
		"an empty method":                        {`{"jsonrpc":"2.0","id":1,"method":""}`, invalid, `1`},
		"a number for the method":                {`{"jsonrpc":"2.0","id":1,"method":5}`, invalid, `1`},
		"an array for params":                    {`{"jsonrpc":"2.0","id":"x","method":"m","params":[1]}`, params, `"x"`},
		"a string for params":                    {`{"jsonrpc":"2.0","id":1,"method":"m","params":"{}"}`, params, `1`},
		"nesting one beyond the limit":           {`{"jsonrpc":"2.0","id":1,"method":"m","params":` + nested(jsonrpc.MaxDepth) + `}`, invalid, ``},
		"100,000 opening brackets":               {strings.Repeat(`[`, 100_000), invalid, ``},
		"depth after a string that ends escaped": {`{"a":"\\","b":` + strings.Repeat(`[`, 100), invalid, ``},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := jsonrpc.Parse([]byte(tc.in))
			if err == nil {
				t.Fatalf("accepted as %+v", m)
			}
			if err.Code != tc.code {
				t.Errorf("code %d (%s), want %d", err.Code, err.Message, tc.code)
			}
			if string(m.ID) != tc.id {
				t.Errorf("id %q, want %q", m.ID, tc.id)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	tests := map[string]struct {
		object string
		want   [2]string
		ok     bool
	}{
		"finds members in any order":              {`{"b":[1, 2],"x":0,"a":"s"}`, [2]string{`"s"`, `[1, 2]`}, true},
		"leaves absent ones nil":                  {`{}`, [2]string{}, true},
		"is case-sensitive":                       {`{"A":1}`, [2]string{}, true},
		"sees only the top level":                 {`{"x":{"a":1}}`, [2]string{}, true},
		"reads an escaped name as what it spells": {`{"\u0061":1}`, [2]string{`1`, ``}, true},
		"refuses what is no object":               {`[1]`, [2]string{}, false},
		"refuses no input":                        {``, [2]string{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			values, ok := members(tc.object)
			if ok != tc.ok || values != tc.want {
				t.Errorf("got %q, %v; want %q, %v", values, ok, tc.want, tc.ok)
			}
		})
	}
}

func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth-1) + `{}` + strings.Repeat(`}`, depth-1)
}
