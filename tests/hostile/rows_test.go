package hostile_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// row is one requirement or one attack, and what pins it.
type row struct {
	id, rule string
	// tests are "folder TestName" or "folder TestName/part". A part of this
	// package carries the ids of its rows in brackets behind its name.
	tests []string
	// outside says why nothing pins the row here.
	outside string
}

// series are the ids that must be there: a letter says what a row is about, see
// doc.go.
var series = []struct {
	prefix      string
	first, last int
}{
	{"G", 1, 8}, {"D", 1, 10}, {"A", 1, 13}, {"C", 1, 9}, {"T", 1, 10}, {"F", 1, 4}, {"M", 1, 10}, {"R", 1, 7}, {"I", 1, 5}, {"V", 1, 5}, {"P", 1, 6},
	{"X", 1, 4}, {"H", 1, 32}, {"K", 30, 46}, {"E", 1, 58},
}

func TestEveryRowHasItsTest(t *testing.T) {
	t.Parallel()
	sources := map[string]*testFiles{}
	seen := map[string]bool{}
	for _, r := range slices.Concat(rules, attacks, clientRows, edges) {
		if seen[r.id] {
			t.Errorf("%s is there twice", r.id)
		}
		seen[r.id] = true
		if r.rule == "" || (len(r.tests) == 0) == (r.outside == "") {
			t.Errorf("%s: it needs a rule, and tests or the reason why there are none", r.id)
		}
		for _, ref := range r.tests {
			folder, name, _ := strings.Cut(ref, " ")
			if sources[folder] == nil {
				sources[folder] = readTests(t, folder)
			}
			if !sources[folder].has(name, r.id, folder == "tests/hostile") {
				t.Errorf("%s: there is no test %s for it", r.id, ref)
			}
		}
	}
	for _, s := range series {
		for n := s.first; n <= s.last; n++ {
			if id := s.prefix + strconv.Itoa(n); !seen[id] {
				t.Errorf("%s is missing", id)
			}
			delete(seen, s.prefix+strconv.Itoa(n))
		}
	}
	for id := range seen {
		t.Errorf("%s belongs to no series", id)
	}
}

// testFiles is what the test files of a folder name.
type testFiles struct {
	functions map[string]bool
	texts     []string
}

func readTests(t *testing.T, folder string) *testFiles {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(gateway.Root(), folder))
	if err != nil {
		t.Fatal(err)
	}
	s := &testFiles{functions: map[string]bool{}}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), "_test.go") || strings.HasPrefix(entry.Name(), "rows_") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(gateway.Root(), folder, entry.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				s.functions[n.Name.Name] = true
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					s.texts = append(s.texts, text)
				}
			}
			return true
		})
	}
	return s
}

// has says whether a test of that name exists. bracketed asks for the id in the
// name of a part.
func (s *testFiles) has(name, id string, bracketed bool) bool {
	function, part, hasPart := strings.Cut(name, "/")
	if !s.functions[function] || !strings.HasPrefix(function, "Test") {
		return false
	}
	return !hasPart || slices.ContainsFunc(s.texts, func(text string) bool {
		if !bracketed {
			return text == part
		}
		ids, ok := strings.CutPrefix(text, part+" [")
		return ok && slices.Contains(strings.Fields(strings.TrimSuffix(ids, "]")), id)
	})
}
