package main

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

func ownManifest(t *testing.T) manifest {
	t.Helper()
	m, err := readManifest(filepath.Join(root, "xcaddy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// moduleFile is what the tests need of go.mod.
type moduleFile struct {
	Module  struct{ Path string }
	Require []struct{ Path, Version string }
	Replace []struct{ Old struct{ Path string } }
}

func goMod(t *testing.T) moduleFile {
	t.Helper()
	raw, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", filepath.Join(root, "go.mod")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var file moduleFile
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheManifestNamesTheCaddyOfGoMod(t *testing.T) {
	required := ""
	for _, r := range goMod(t).Require {
		if r.Path == "github.com/caddyserver/caddy/v2" {
			required = r.Version
		}
	}
	if named := ownManifest(t).Caddy.Version; named != required {
		t.Errorf("xcaddy.toml names Caddy %s, go.mod %q", named, required)
	}
}

func TestTheManifestNamesTheModulesOfTheBinary(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "main.go"), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	// What xcaddy puts into every binary itself, and the standard library.
	own := []string{"github.com/caddyserver/caddy/v2/cmd", "github.com/caddyserver/caddy/v2/modules/standard"}
	var imported, named []string
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, ".") && !slices.Contains(own, path) {
			imported = append(imported, path)
		}
	}
	for _, mod := range ownManifest(t).Modules {
		named = append(named, mod.Path)
	}
	slices.Sort(imported)
	slices.Sort(named)
	if diff := cmp.Diff(imported, named); diff != "" {
		t.Errorf("main.go imports (-), xcaddy.toml names (+):\n%s", diff)
	}
}

func TestGoModHasNothingThatXcaddyWouldIgnore(t *testing.T) {
	if replaced := goMod(t).Replace; len(replaced) > 0 {
		t.Errorf("go.mod replaces %s: whoever builds with xcaddy would not get that", replaced[0].Old.Path)
	}
	if module := goMod(t).Module.Path; module != ownModule {
		t.Errorf("the module is %s, the tool says %s", module, ownModule)
	}
}

func TestTheCommandIsPrinted(t *testing.T) {
	manifest := filepath.Join(root, "xcaddy.toml")
	version := ownManifest(t).Caddy.Version
	flags := `XCADDY_GO_BUILD_FLAGS="-tags=nobadger,nomysql,nopgx -ldflags='-s -w' -trimpath" `
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"for a release": {nil, flags + "xcaddy build " + version + " --output mcp-edge --with github.com/teamlumos/mcp-edge/caddymodule\n"},
		"for a checkout, with the module replaced and not the package": {
			[]string{"-local"},
			flags + "xcaddy build " + version + " --output mcp-edge --with github.com/teamlumos/mcp-edge/caddymodule --replace github.com/teamlumos/mcp-edge=.\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if err := run(t.Context(), append(test.args, "-manifest", manifest), &out, &errs); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestRunStartsXcaddyWithTheFlagsInItsEnvironment(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"$XCADDY_GO_BUILD_FLAGS\"\nfor a in \"$@\"; do echo \"$a\"; done\n"
	if err := os.WriteFile(filepath.Join(bin, "xcaddy"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, errs bytes.Buffer
	if err := run(t.Context(), []string{"-run", "-manifest", filepath.Join(root, "xcaddy.toml")}, &out, &errs); err != nil {
		t.Fatal(err)
	}
	m := ownManifest(t)
	want := strings.Join(append([]string{m.Build.goFlags()}, m.arguments("", "")...), "\n") + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestAManifestIsRefused(t *testing.T) {
	const good = "[caddy]\nversion = \"v2.11.9\"\n[[module]]\npath = \"example.com/m\"\n[build]\noutput = \"x\"\n"
	for name, test := range map[string]struct{ manifest, want string }{
		"with an unknown key":          {good + "tag = \"x\"\n", "unknown key build.tag"},
		"without a version of Caddy":   {"[[module]]\npath = \"example.com/m\"\n[build]\noutput = \"x\"\n", "caddy.version"},
		"with a branch as version":     {strings.Replace(good, "v2.11.9", "master", 1), "caddy.version"},
		"without a module":             {"[caddy]\nversion = \"v2.11.9\"\n[build]\noutput = \"x\"\n", "no [[module]]"},
		"with a module twice":          {good + "[[module]]\npath = \"example.com/m\"\n", "given twice"},
		"with a version in the path":   {strings.Replace(good, "com/m", "com/m@v1", 1), "not a package path"},
		"with quotes in the ldflags":   {good + "ldflags = \"-X 'a=b'\"\n", "quotes"},
		"with a tag that is two words": {good + "tags = [\"a b\"]\n", "not a word"},
		"without an output":            {strings.Replace(good, "output = \"x\"", "", 1), "output is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "xcaddy.toml")
			if err := os.WriteFile(path, []byte(test.manifest), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readManifest(path)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one about %q", err, test.want)
			}
		})
	}
}
