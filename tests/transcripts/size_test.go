package transcripts_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/tests/assistant"
	"github.com/teamlumos/mcp-edge/tests/gateway"
)

// A list of tools stands in every conversation of every model that is connected,
// so that each word of it is paid for again and again. The budgets are what it
// measured when they were set, and a quarter more: whoever needs more says why.
const (
	budgetList  = 26_200 // bytes of the answer to tools/list
	budgetModel = 10_700 // bytes of what clients usually give to a model: names, descriptions, input schemas
)

// bytesPerToken is the usual approximation for English and JSON. Tokenizers
// differ; the budgets are in bytes, which do not.
const bytesPerToken = 4

func TestTheListOfToolsStaysWithinItsBudget(t *testing.T) {
	w := newWorld(t, "2026-07-28")
	a := &assistant.Assistant{Resource: w.g.Stack.Resource, HTTP: w.client}
	answer, err := a.MCP(t.Context(), w.tokens[""], `{"jsonrpc":"2.0","id":0,"method":"tools/list"}`)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Result struct {
			Tools []struct {
				Name        string          `json:"name"`
				Description string          `json:"description"`
				InputSchema json.RawMessage `json:"inputSchema"`
			}
		}
	}
	if err := json.Unmarshal(answer.Body, &list); err != nil || len(list.Result.Tools) != len(scripts) {
		t.Fatalf("%v in %s", err, answer.Body)
	}
	model := 0
	for _, tool := range list.Result.Tools {
		shown, err := json.Marshal(tool)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes to a model, about %d tokens", tool.Name, len(shown), len(shown)/bytesPerToken)
		model += len(shown)
	}
	for _, size := range []struct {
		of             string
		bytes, allowed int
	}{{"the whole answer", len(answer.Body), budgetList}, {"what a model reads", model, budgetModel}} {
		t.Logf("%s: %d bytes, about %d tokens; %d bytes are allowed", size.of, size.bytes, size.bytes/bytesPerToken, size.allowed)
		if size.bytes > size.allowed {
			t.Errorf("%s is larger than its budget", size.of)
		}
	}
}

func TestTheDocsStateTheBudget(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(gateway.Root(), "docs", "tools.md"))
	if err != nil {
		t.Fatal(err)
	}
	stated := regexp.MustCompile(`at most ([0-9,]+) bytes`).FindAllStringSubmatch(string(text), -1)
	if len(stated) != 2 {
		t.Fatalf("%d budgets are stated, want two", len(stated))
	}
	for i, budget := range []int{budgetModel, budgetList} {
		if got := strings.ReplaceAll(stated[i][1], ",", ""); got != strconv.Itoa(budget) {
			t.Errorf("stated are %s bytes, allowed are %d", got, budget)
		}
	}
}
