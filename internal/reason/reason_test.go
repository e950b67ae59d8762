package reason_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/teamlumos/mcp-edge/internal/reason"
)

func TestEveryDeclaredReasonIsKnownAndNothingElse(t *testing.T) {
	declared := declaredReasons(t)
	if len(declared) < 40 {
		t.Fatalf("only %d reasons were found in the source, so the rest proves nothing", len(declared))
	}
	for _, r := range declared {
		if r != reason.None && !r.Known() {
			t.Errorf("%q is declared and not known", r)
		}
	}
	for _, r := range []reason.Reason{reason.None, "client", "client/", "client/ada@example.com", "grant/Unknown", "client/unknown "} {
		if r.Known() {
			t.Errorf("%q is known", r)
		}
	}
}

func TestAFaultIsNoJudgement(t *testing.T) {
	for r, want := range map[reason.Reason]bool{
		reason.StoreUnavailable: true, reason.AuditUnavailable: true, reason.BackendIDPUnavailable: true,
		reason.None: false, reason.GrantUnknown: false, reason.BackendRefused: false, reason.BackendIDPBadAnswer: false,
	} {
		if r.Fault() != want {
			t.Errorf("%q is a fault: %t", r, r.Fault())
		}
	}
}

// declaredReasons are the constants of type Reason in the source.
func declaredReasons(t *testing.T) []reason.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []reason.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != "Reason" {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, reason.Reason(text))
		}
		return true
	})
	return found
}
