package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Exact is what the templates of a profile become with an operator's values.
type Exact struct {
	RedirectURIs, LoopbackPaths, MetadataDocuments []string
}

// instanceNames are the placeholders that "instance" fills, however many there
// are beside them.
var instanceNames = []string{"instance", "instance_host"}

// templates reads the templates of p: redirect URIs, loopback paths, documents.
func (p *Profile) templates() ([3][]*template, error) {
	var all [3][]*template
	for i, texts := range [...][]string{p.RedirectTemplates, p.LoopbackTemplates, p.DocumentTemplates} {
		for _, text := range texts {
			t, err := parseTemplate(text)
			if err != nil {
				return all, fmt.Errorf("client %q: template %q: %w", p.ID, text, err)
			}
			all[i] = append(all[i], t)
		}
	}
	return all, nil
}

// Placeholders lists the names that the templates of p hold, in their order.
func (p *Profile) Placeholders() []string {
	all, err := p.templates()
	if err != nil {
		return nil // a profile of a registry is checked
	}
	var names []string
	for _, t := range slices.Concat(all[:]...) {
		names = union(names, t.names())
	}
	return names
}

// InstancePlaceholder is the name that stands for the customer's installation:
// one that says so, or the only one that there is.
func (p *Profile) InstancePlaceholder() (string, bool) {
	names := p.Placeholders()
	for _, name := range instanceNames {
		if slices.Contains(names, name) {
			return name, true
		}
	}
	if len(names) == 1 {
		return names[0], true
	}
	return "", false
}

// CheckValue refuses a name that no template of p holds, and a value that does
// not fit the place where it would stand.
func (p *Profile) CheckValue(name, value string) error {
	names := p.Placeholders()
	if len(names) == 0 {
		return fmt.Errorf("the profile %s has no template: write the exact redirect_uri", p.ID)
	}
	if !slices.Contains(names, name) {
		return fmt.Errorf("the templates of %s have no placeholder %q, they have: %s", p.ID, name, strings.Join(names, ", "))
	}
	all, err := p.templates()
	if err != nil {
		return err
	}
	for _, t := range slices.Concat(all[:]...) {
		if err := t.check(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Expand makes exact strings of the templates for which each placeholder has a
// value; several values make several strings. It refuses values that no
// template can use, and those that CheckValue refuses.
func (p *Profile) Expand(values map[string][]string) (Exact, error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			if err := p.CheckValue(name, value); err != nil {
				return Exact{}, err
			}
		}
	}
	all, err := p.templates()
	if err != nil {
		return Exact{}, err
	}
	var exact Exact
	used := make(map[string]bool)
	for i, into := range []*[]string{&exact.RedirectURIs, &exact.LoopbackPaths, &exact.MetadataDocuments} {
		for _, t := range all[i] {
			if slices.ContainsFunc(t.names(), func(name string) bool { return len(values[name]) == 0 }) {
				continue
			}
			for _, choice := range combinations(t.names(), values) {
				filled, err := t.fill(choice)
				if err != nil {
					return Exact{}, err
				}
				*into = union(*into, []string{filled})
			}
			for _, name := range t.names() {
				used[name] = true
			}
		}
	}
	if len(exact.RedirectURIs)+len(exact.LoopbackPaths)+len(exact.MetadataDocuments) > maxExpansions {
		return Exact{}, fmt.Errorf("the values make more than %d addresses", maxExpansions)
	}
	return exact, p.checkUsed(values, used)
}

// checkUsed refuses values without those that stand beside them in a template.
func (p *Profile) checkUsed(values map[string][]string, used map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if used[name] {
			continue
		}
		var missing []string
		for _, other := range p.Placeholders() {
			if len(values[other]) == 0 {
				missing = append(missing, other)
			}
		}
		return fmt.Errorf("%s alone makes no address of %s: %s is missing", name, p.ID, strings.Join(missing, ", "))
	}
	return nil
}
