package client

import (
	"fmt"
	"net/url"
	"strings"
)

// hint is what a refused address may have been meant to be.
type hint struct {
	profile  *Profile
	template *template // one of its redirect templates …
	host     string    // … or the host of one of its redirect URIs,
	uri      string    // and that URI
}

// addHints notes the hosts and templates of p.
func (r *Registry) addHints(p *Profile) {
	for _, text := range p.RedirectTemplates {
		if t, err := parseTemplate(text); err == nil {
			r.hints = append(r.hints, hint{profile: p, template: t})
		}
	}
	for _, uri := range p.RedirectURIs {
		if u, err := url.Parse(uri); err == nil && u.Scheme == "https" {
			r.hints = append(r.hints, hint{profile: p, host: plainHost(u), uri: uri})
		}
	}
}

// plainHost is what people take hosts for the same by.
func plainHost(u *url.URL) string {
	return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
}

// hint says what would admit an address that nothing admits, or what is
// admitted that it resembles. It admits nothing itself. Of the address only
// parts that a template accepts are repeated.
func (r *Registry) hint(uri string, parsed *url.URL) string {
	if h, values, ok := r.templateOf(uri); ok {
		with := strings.Join(lines(h.profile, h.template, values), " and ")
		return fmt.Sprintf("it fits a template of %s: if it is yours, a block client %s with %s admits it", h.profile.ID, h.profile.ID, with)
	}
	if h, ok := r.hostOf(parsed); ok {
		return fmt.Sprintf("%s is admitted with %s", h.profile.ID, h.uri)
	}
	if parsed.Scheme == "http" {
		return "no client is known that listens at that path on a person's computer"
	}
	return ""
}

// templateOf returns the first template that could have made uri, with the
// values that would have.
func (r *Registry) templateOf(uri string) (hint, map[string]string, bool) {
	for _, h := range r.hints {
		if h.template == nil {
			continue
		}
		if values, ok := h.template.read(uri); ok {
			return h, values, true
		}
	}
	return hint{}, nil, false
}

// hostOf returns the first profile that is admitted at the host of an https
// address.
func (r *Registry) hostOf(parsed *url.URL) (hint, bool) {
	if parsed.Scheme != "https" {
		return hint{}, false
	}
	for _, h := range r.hints {
		if h.template == nil && h.host == plainHost(parsed) {
			return h, true
		}
	}
	return hint{}, false
}

// lines writes values as they stand in a client block, one line each.
func lines(p *Profile, t *template, values map[string]string) []string {
	instance, _ := p.InstancePlaceholder()
	var all []string
	for _, name := range t.names() {
		if name == instance {
			all = append(all, "instance "+values[name])
		} else {
			all = append(all, "value "+name+" "+values[name])
		}
	}
	return all
}
