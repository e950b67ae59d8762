package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// manifest is the content of xcaddy.toml.
type manifest struct {
	Caddy struct {
		Version string `toml:"version"`
	} `toml:"caddy"`
	Modules []module `toml:"module"`
	Build   build    `toml:"build"`
}

// module is a package that is compiled into Caddy.
type module struct {
	Path    string `toml:"path"`
	Version string `toml:"version"` // empty: the newest release
}

// build holds what is passed to "go build".
type build struct {
	Output   string   `toml:"output"`
	Tags     []string `toml:"tags"`
	LDFlags  string   `toml:"ldflags"`
	TrimPath bool     `toml:"trimpath"`
}

var (
	versionForm = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`)
	tagForm     = regexp.MustCompile(`^[0-9A-Za-z_.]+$`)
)

// readManifest reads the manifest at path. Unknown keys are refused, since a
// misspelt one would silently change the build.
func readManifest(path string) (manifest, error) {
	var m manifest
	meta, err := toml.DecodeFile(path, &m)
	if err != nil {
		return manifest{}, fmt.Errorf("reading the manifest: %w", err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return manifest{}, fmt.Errorf("%s: unknown key %s", path, unknown[0])
	}
	if err := m.check(); err != nil {
		return manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func (m manifest) check() error {
	if !versionForm.MatchString(m.Caddy.Version) {
		return fmt.Errorf("caddy.version is %q, want one like v2.11.9", m.Caddy.Version)
	}
	if len(m.Modules) == 0 {
		return errors.New("there is no [[module]]")
	}
	seen := make(map[string]bool, len(m.Modules))
	for _, mod := range m.Modules {
		switch {
		case mod.Path == "" || strings.ContainsAny(mod.Path, "@= "):
			return fmt.Errorf("module path %q is not a package path", mod.Path)
		case seen[mod.Path]:
			return fmt.Errorf("module %s is given twice", mod.Path)
		case mod.Version != "" && !versionForm.MatchString(mod.Version):
			return fmt.Errorf("module %s: version is %q, want one like v1.2.3, or none", mod.Path, mod.Version)
		}
		seen[mod.Path] = true
	}
	for _, tag := range m.Build.Tags {
		if !tagForm.MatchString(tag) {
			return fmt.Errorf("build tag %q is not a word", tag)
		}
	}
	if m.Build.Output == "" || strings.ContainsAny(m.Build.LDFlags, `'"\`) {
		return errors.New("build.output is missing, or build.ldflags holds quotes")
	}
	return nil
}

// flagsVariable is the environment variable by which xcaddy takes flags of
// "go build" in place of its own.
const flagsVariable = "XCADDY_GO_BUILD_FLAGS"

// goFlags returns the value of flagsVariable.
func (b build) goFlags() string {
	var flags []string
	if len(b.Tags) > 0 {
		flags = append(flags, "-tags="+strings.Join(b.Tags, ","))
	}
	if b.LDFlags != "" {
		flags = append(flags, "-ldflags='"+b.LDFlags+"'")
	}
	if b.TrimPath {
		flags = append(flags, "-trimpath")
	}
	return strings.Join(flags, " ")
}

// arguments returns those of xcaddy. With a local module, its packages are taken
// from the folder dir instead of a release.
func (m manifest) arguments(local, dir string) []string {
	args := []string{"build", m.Caddy.Version, "--output", m.Build.Output}
	replaced := false
	for _, mod := range m.Modules {
		with := mod.Path
		switch {
		case local != "" && (mod.Path == local || strings.HasPrefix(mod.Path, local+"/")):
			replaced = true
		case mod.Version != "":
			with += "@" + mod.Version
		}
		args = append(args, "--with", with)
	}
	if replaced {
		// The short form "--with PACKAGE=DIR" replaces a module, not a package.
		args = append(args, "--replace", local+"="+dir)
	}
	return args
}

// commandLine returns the command as a person would type it.
func (m manifest) commandLine(local, dir string) string {
	words := []string{flagsVariable + `="` + m.Build.goFlags() + `"`, "xcaddy"}
	return strings.Join(append(words, m.arguments(local, dir)...), " ")
}
