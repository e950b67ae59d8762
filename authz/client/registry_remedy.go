package client

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// Remedy is what an operator writes down to admit what was refused.
type Remedy struct {
	// Profile is the id for the clients line of a domain.
	Profile string
	// Lines are those of a block client Profile that admits the addresses. Empty
	// for a profile that admits them already.
	Lines []string
	// Extends says that there is such a profile, so that there may be such a block.
	Extends bool
	// Check says what to look at before.
	Check string
}

// errNoRemedy says that no client block can admit what was refused.
var errNoRemedy = errors.New("no client block can admit that")

// Remedy returns what would admit a rejection now. All that it holds may be
// written into a configuration as it is: of what a stranger sent only addresses
// are repeated, and those only where they are plain text. The name is not, since
// whoever asked has chosen it.
//
// The error says why nothing would admit it.
func (r *Registry) Remedy(j store.Rejection) (Remedy, error) {
	if j.Kind == store.KindDocument {
		return r.documentRemedy(j.Document)
	}
	if p, ok := r.byID[j.Profile]; ok && r.admitsAll(p, j.RedirectURIs) {
		return Remedy{Profile: p.ID, Extends: true}, nil
	}
	match, err := r.Match(j.RedirectURIs, func(p Profile) bool { return p.Recognizes(j.ClientName) })
	if err == nil {
		return Remedy{Profile: match.Profile.ID, Extends: true}, nil
	}
	parsed := make([]*url.URL, 0, len(j.RedirectURIs))
	for _, uri := range j.RedirectURIs {
		u, err := oauth.ParseRedirectURI(uri)
		if err != nil || !plainToken(uri) {
			return Remedy{}, fmt.Errorf("%w: one of its addresses is none that a client may have", errNoRemedy)
		}
		parsed = append(parsed, u)
	}
	for _, propose := range []func([]string, []*url.URL) (Remedy, bool){r.byTemplate, r.byHost, r.byOwnProfile} {
		if remedy, ok := propose(j.RedirectURIs, parsed); ok {
			return remedy, nil
		}
	}
	return Remedy{}, fmt.Errorf("%w: one of its addresses has a private-use scheme, which any app can claim", errNoRemedy)
}

// plainToken says whether s is one word of a configuration file that stands for
// itself: no quotes, nothing that is replaced.
func plainToken(s string) bool { return quotable(s) && !strings.ContainsAny(s, "{}`") }

// documentRemedy admits a metadata document by its address.
func (r *Registry) documentRemedy(document string) (Remedy, error) {
	if p, ok := r.byDocument[document]; ok {
		return Remedy{Profile: p.ID, Extends: true}, nil
	}
	u, err := url.Parse(document)
	if err != nil || !plainToken(document) || checkDocument(document) != nil {
		return Remedy{}, fmt.Errorf("%w: its address is none that a metadata document may have", errNoRemedy)
	}
	return Remedy{
		Profile: r.freeID(u.Hostname()), Lines: []string{"metadata_document " + document},
		Check: "whoever runs " + u.Hostname() + " decides where people are sent back to",
	}, nil
}

// byTemplate fills the templates of a built-in profile, if every address is one
// of them or is admitted already.
func (r *Registry) byTemplate(redirects []string, parsed []*url.URL) (Remedy, bool) {
	var profile *Profile
	for _, uri := range redirects {
		if h, _, ok := r.templateOf(uri); ok {
			profile = h.profile
			break
		}
	}
	if profile == nil {
		return Remedy{}, false
	}
	var filled, exact []string
	several := false
	for i, uri := range redirects {
		if profile.judge(uri, parsed[i]) != unknown {
			continue
		}
		h, values, ok := r.templateOf(uri)
		if !ok || h.profile != profile {
			return Remedy{}, false
		}
		exact = union(exact, []string{uri})
		filled = union(filled, lines(profile, h.template, values))
		several = several || len(filled) > len(h.template.names())
	}
	if several { // the values would admit all their combinations
		filled = []string{"redirect_uri " + strings.Join(exact, " ")}
	}
	return Remedy{Profile: profile.ID, Lines: filled, Extends: true, Check: "only if this installation of " + profile.Name + " is yours"}, true
}

// byHost adds addresses to the profile that is admitted at their host.
func (r *Registry) byHost(redirects []string, parsed []*url.URL) (Remedy, bool) {
	var profile *Profile
	for _, u := range parsed {
		if h, ok := r.hostOf(u); ok {
			profile = h.profile
			break
		}
	}
	if profile == nil {
		return Remedy{}, false
	}
	var more []string
	for i, uri := range redirects {
		if profile.judge(uri, parsed[i]) != unknown {
			continue
		}
		if h, ok := r.hostOf(parsed[i]); !ok || h.profile != profile {
			return Remedy{}, false
		}
		more = union(more, []string{uri})
	}
	return Remedy{
		Profile: profile.ID, Lines: []string{"redirect_uri " + strings.Join(more, " ")}, Extends: true,
		Check: "is this a callback of " + profile.Name + "? Other users of its host may have callbacks there too",
	}, len(more) > 0
}

// byOwnProfile makes a profile of exactly these addresses.
func (r *Registry) byOwnProfile(redirects []string, parsed []*url.URL) (Remedy, bool) {
	p, host := Profile{}, ""
	var hosts []string
	for i, u := range parsed {
		switch u.Scheme {
		case "https":
			p.RedirectURIs = union(p.RedirectURIs, redirects[i:i+1])
			hosts = union(hosts, []string{u.Hostname()})
			continue
		case "http":
		default:
			return Remedy{}, false
		}
		path := redirects[i][len("http://")+len(u.Host):]
		if path == "" || p.checkLoopbackPath(path) != nil { // no path, or one with a query
			path = AnyPath
		}
		p.LoopbackPaths = union(p.LoopbackPaths, []string{path})
	}
	remedy := Remedy{Check: "which app is it? If it is one of the list, add the line to its block instead"}
	if len(p.RedirectURIs) > 0 {
		host = hosts[0]
		remedy.Lines = append(remedy.Lines, "redirect_uri "+strings.Join(p.RedirectURIs, " "))
		remedy.Check = "whoever runs " + strings.Join(hosts, ", ") + " gets the authorization codes"
	}
	switch {
	case slices.Contains(p.LoopbackPaths, AnyPath):
		p.LoopbackPaths = []string{AnyPath}
		remedy.Lines = append(remedy.Lines, "loopback")
	case len(p.LoopbackPaths) > 0:
		remedy.Lines = append(remedy.Lines, "loopback "+strings.Join(p.LoopbackPaths, " "))
	}
	p.ID = r.freeID(host)
	p.Name = p.ID
	remedy.Profile = p.ID
	return remedy, p.check() == nil && r.admitsAll(&p, redirects)
}

// admitsAll says whether p admits every address.
func (r *Registry) admitsAll(p *Profile, redirects []string) bool {
	for _, uri := range redirects {
		parsed, err := oauth.ParseRedirectURI(uri)
		if err != nil || p.judge(uri, parsed) == unknown {
			return false
		}
	}
	return len(redirects) > 0
}

var notInID = regexp.MustCompile(`[^a-z0-9]+`)

// freeID makes the id of a new profile of a host, or of an app if that is empty.
// It is never that of a profile that exists: a block of that name would give the
// address the name of another product.
func (r *Registry) freeID(host string) string {
	base := strings.Trim(notInID.ReplaceAllString(strings.ToLower(host), "-"), "-")
	base = strings.Trim(base[:min(len(base), 56)], "-")
	if base == "" {
		base = "local-app"
	}
	id := base
	for n := 2; r.byID[id] != nil; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id
}
