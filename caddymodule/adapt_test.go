package caddymodule_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/google/go-cmp/cmp"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/teamlumos/mcp-edge/caddymodule"
)

var update = flag.Bool("update", false, "write what is got into the golden files")

// separator stands between input and output of a golden file.
const separator = "\n----------\n"

// adapt returns the JSON of a Caddyfile. Warnings are failures: one of them says
// that the input is not formatted.
func adapt(t *testing.T, name string, input []byte) ([]byte, error) {
	t.Helper()
	raw, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(input, map[string]any{"filename": name})
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		t.Errorf("warning: %s", warning)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(value, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return append(pretty, '\n'), nil
}

// golden runs what is before the separator of each file through run and
// compares what is behind it.
func golden(t *testing.T, pattern string, run func(t *testing.T, input string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "adapt", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(raw), separator)
			got := run(t, input)
			if *update {
				if err := os.WriteFile(file, []byte(input+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestACaddyfileIsAdapted(t *testing.T) {
	golden(t, "*.caddyfiletest", func(t *testing.T, input string) string {
		got, err := adapt(t, "Caddyfile", []byte(input+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	})
}

func TestAMistakeIsRefusedWithItsPlaceAndTheRemedy(t *testing.T) {
	golden(t, "*.errortest", func(t *testing.T, input string) string {
		_, err := adapt(t, "Caddyfile", caddyfile.Format([]byte(input+"\n")))
		if err == nil {
			t.Fatal("was accepted")
		}
		if !strings.Contains(err.Error(), "Caddyfile:") {
			t.Errorf("the message has no file and line: %v", err)
		}
		return err.Error() + "\n"
	})
}

func TestTheDocumentedDefaultIsFormattedAndAdapted(t *testing.T) {
	raw, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(caddyfile.Format(raw)), string(raw)); diff != "" {
		t.Errorf("the Caddyfile is not formatted, want (-):\n%s", diff)
	}
	if _, err := adapt(t, "Caddyfile", raw); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCaddyfileInTheDocumentsIsAdapted(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range pages {
		if pages[i], err = filepath.Abs(pages[i]); err != nil {
			t.Fatal(err)
		}
	}
	readme, err := filepath.Abs("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../docs") // where the files lie that the pages name
	found := 0
	for _, page := range append(pages, readme) {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(raw), "```caddyfile\n")[1:] {
			snippet, _, closed := strings.Cut(part, "```")
			if !closed {
				t.Errorf("%s: block %d has no end", page, i)
			}
			found++
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(page), i), func(t *testing.T) {
				if _, err := adapt(t, page, []byte(snippet)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if found == 0 {
		t.Error("no document shows a Caddyfile")
	}
}

// FuzzCaddyfile: whatever stands in the block, the parser refuses or accepts it.
func FuzzCaddyfile(f *testing.F) {
	for _, block := range []string{
		"issuer https://localhost\nstore sqlite x", "tokens {\ncode 1s\n}", "domain x {\nrole a {\nallow *\n}\n}",
		"client {", "idp oidc", "registration {\ndynamic\n}", "audit {\nfile\n}", "users group", "{", "}",
		"trusted_resource_server a {\nsecret {env.A}\nresource https://localhost/mcp\n}", "trusted_resource_server {\nresource {\n}",
	} {
		f.Add(block, "resource x\nupstream {\n")
	}
	f.Add("issuer https://localhost\nstore sqlite x", "toolset openapi ../docs/billing.openapi.json {\nscope a b\ntool x {\noperation listInvoices\nscope a\npermission a.b\n}\n}")
	f.Add("issuer https://localhost\nstore sqlite x", "toolset openapi x {\ntool {\nwrite")
	f.Fuzz(func(t *testing.T, app, bridge string) {
		input := "{\nmcp_edge {\n" + app + "\n}\n}\nlocalhost {\nmcp_auth\nmcp_bridge /mcp {\n" + bridge + "\n}\n}\n"
		raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), nil)
		if err == nil && !json.Valid(raw) {
			t.Errorf("not JSON: %s", raw)
		}
	})
}
