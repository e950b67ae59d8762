package client

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

const (
	// maxExpansions bounds the exact strings that one client block may make.
	maxExpansions = 100
	// maxValue is the length of the longest host name (RFC 1035 §2.3.4).
	maxValue = 253
)

// template is a redirect URI, a loopback path or a document's address in which
// {name} stands for one label of the host or one segment of the path, or part
// of one. A name at the end of the host stands for the rest of a host name.
type template struct {
	text    string
	parts   []templatePart // literal and placeholder in turn, a literal first
	pattern *regexp.Regexp // what could have come from it
}

type templatePart struct {
	text string
	kind valueKind
}

// valueKind is what a placeholder may be filled with.
type valueKind int

const (
	literal valueKind = iota
	label             // within one label of a host
	host              // the rest of a host name
	segment           // within one segment of a path
)

var valueKinds = map[valueKind]struct {
	pattern string // roughly: whole decides
	whole   *regexp.Regexp
	want    string
}{
	label:   {`[a-z0-9-]+`, regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`), "one label of a host name in lower case"},
	host:    {`[a-z0-9.-]+`, regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$`), "a host name in lower case, without port"},
	segment: {`[A-Za-z0-9._~-]+`, regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`), "one segment of a path: letters, digits and . _ ~ -"},
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

var placeholderName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// parseTemplate reads an https URL or a path with placeholders.
func parseTemplate(text string) (*template, error) {
	t := &template{text: text}
	hostEnd := 0
	if rest, ok := strings.CutPrefix(text, "https://"); ok {
		hostEnd = len(text) - len(rest)
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			hostEnd += i
		}
	} else if !strings.HasPrefix(text, "/") {
		return nil, errors.New("a template is an https URL or a path")
	}
	last, pattern := 0, strings.Builder{}
	pattern.WriteString("^")
	literally := func(s string) error {
		if isTemplate(s) {
			return errors.New("a brace does not belong to a placeholder")
		}
		t.parts = append(t.parts, templatePart{s, literal})
		pattern.WriteString(regexp.QuoteMeta(s))
		return nil
	}
	for _, at := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		if err := literally(text[last:at[0]]); err != nil {
			return nil, err
		}
		last = at[1]
		name, kind := text[at[2]:at[3]], segment
		switch {
		case last == hostEnd:
			kind = host
		case last < hostEnd:
			kind = label
		}
		if !placeholderName.MatchString(name) || slices.Contains(t.names(), name) {
			return nil, fmt.Errorf("the placeholder %q is not a name in lower case, or stands there twice", name)
		}
		t.parts = append(t.parts, templatePart{name, kind})
		pattern.WriteString("(" + valueKinds[kind].pattern + ")")
	}
	if err := literally(text[last:]); err != nil {
		return nil, err
	}
	if len(t.parts) == 1 {
		return nil, errors.New("a template has a placeholder")
	}
	var err error
	t.pattern, err = regexp.Compile(pattern.String() + "$")
	return t, err
}

// names lists the placeholders in their order.
func (t *template) names() []string {
	var names []string
	for _, part := range t.parts {
		if part.kind != literal {
			names = append(names, part.text)
		}
	}
	return names
}

// check refuses a value that would reach beyond its place.
func (t *template) check(name, value string) error {
	for _, part := range t.parts {
		if part.kind == literal || part.text != name {
			continue
		}
		kind := valueKinds[part.kind]
		if len(value) > maxValue || !kind.whole.MatchString(value) || value == "." || value == ".." {
			return fmt.Errorf("%s is %q, want %s", name, value, kind.want)
		}
	}
	return nil
}

// fill returns the exact string for values, which check has accepted.
func (t *template) fill(values map[string]string) (string, error) {
	var b strings.Builder
	for _, part := range t.parts {
		if part.kind == literal {
			b.WriteString(part.text)
		} else {
			b.WriteString(values[part.text])
		}
	}
	exact := b.String()
	uri := exact
	if strings.HasPrefix(exact, "/") {
		uri = "http://127.0.0.1" + exact
	}
	if _, err := oauth.ParseRedirectURI(uri); err != nil {
		return "", fmt.Errorf("%s: %w", t.text, err)
	}
	return exact, nil
}

// read returns the values with which fill would have made exact.
func (t *template) read(exact string) (map[string]string, bool) {
	found := t.pattern.FindStringSubmatch(exact)
	if found == nil {
		return nil, false
	}
	values := make(map[string]string)
	for i, name := range t.names() {
		if t.check(name, found[i+1]) != nil {
			return nil, false
		}
		values[name] = found[i+1]
	}
	return values, true
}

// combinations returns every choice of one value for each of names.
func combinations(names []string, values map[string][]string) []map[string]string {
	choices := []map[string]string{{}}
	for _, name := range names {
		var longer []map[string]string
		for _, choice := range choices {
			for _, value := range values[name] {
				next := maps.Clone(choice)
				next[name] = value
				longer = append(longer, next)
			}
			if len(longer) > maxExpansions {
				return longer
			}
		}
		choices = longer
	}
	return choices
}
