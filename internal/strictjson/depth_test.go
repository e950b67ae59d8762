package strictjson_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/internal/strictjson"
)

func TestTooDeep(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		data string
		want bool // with the limit 3
	}{
		"nothing":                               {``, false},
		"a value without depth":                 {`"[[[["`, false},
		"objects at the limit":                  {`{"a":{"b":{}}}`, false},
		"objects one beyond it":                 {`{"a":{"b":{"c":{}}}}`, true},
		"arrays at the limit":                   {`[[[]]]`, false},
		"arrays one beyond it":                  {`[[[[]]]]`, true},
		"both together":                         {`[{"a":[{}]}]`, true},
		"many siblings are not deep":            {`[` + strings.Repeat(`[[]],`, 100) + `0]`, false},
		"brackets in a string do not count":     {`["[{[{[{"]`, false},
		"nor after an escaped quote":            {`["\"[[[["]`, false},
		"nor in a name":                         {`{"[[[[":1}`, false},
		"a string that ends in a backslash":     {`["\\",[[[`, true},
		"depth after a string":                  {`["a",[[[`, true},
		"a document that is never closed":       {strings.Repeat(`[`, 100_000), true},
		"closing first buys no depth in a text": {`]]]]` + `[[[`, false},
		"a backslash at the end":                {`"\`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strictjson.TooDeep([]byte(tc.data), 3); got != tc.want {
				t.Errorf("TooDeep(%.40s) = %v", tc.data, got)
			}
		})
	}
}

// depthRead returns how deep a decoder comes in data, and whether data is JSON.
func depthRead(data []byte) (deepest int, valid bool) {
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		_, err := dec.ReadToken()
		deepest = max(deepest, dec.StackDepth())
		if err != nil {
			return deepest, errors.Is(err, io.EOF)
		}
	}
}

// FuzzTooDeep compares with how deep a parser really comes.
func FuzzTooDeep(f *testing.F) {
	for _, seed := range []string{`{}`, `[[[[[]]]]]`, `{"a":[{"b":"\"[{"}]}`, `"\\"[[`, `]]][[[[[[`, `{"a"`, "\"\xff\"[[[[[", `[1,[2,[3,[4,[5]]]]]`} {
		f.Add([]byte(seed), 4)
	}
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		if limit < 0 || limit > 1000 {
			t.Skip()
		}
		deepest, valid := depthRead(data)
		got := strictjson.TooDeep(data, limit)
		if valid && got != (deepest > limit) {
			t.Errorf("TooDeep(%q, %d) = %v, a parser comes to %d", data, limit, got, deepest)
		}
		if !got && deepest > limit {
			t.Errorf("%q was let pass with %d, and a parser comes to %d", data, limit, deepest)
		}
	})
}
