package client

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// Registry is the set of known profiles. It does not change and is safe for
// concurrent use.
type Registry struct {
	profiles   []*Profile // built-in ones first: they win where several match
	byID       map[string]*Profile
	byDocument map[string]*Profile
	hints      []hint
}

// NewRegistry is NewRegistryFor a server without resources.
func NewRegistry(custom ...Profile) (*Registry, error) { return NewRegistryFor(nil, custom...) }

// NewRegistryFor returns the built-in profiles together with custom ones.
//
// Resources are the public URLs of the MCP endpoints, from which some products
// compute their callback. A custom profile with the id of a built-in one adds to
// it: lists are joined, and a rotation grace replaces the built-in one; its name
// stays. Any other id is a new profile, whose name is its id unless it has one.
func NewRegistryFor(resources []string, custom ...Profile) (*Registry, error) {
	builtIn, err := builtIns()
	if err != nil {
		return nil, fmt.Errorf("built-in profiles: %w", err)
	}
	r := &Registry{byID: make(map[string]*Profile, len(builtIn)+len(custom))}
	for _, p := range builtIn {
		if err := r.add(p); err != nil {
			return nil, fmt.Errorf("built-in profiles: %w", err)
		}
	}
	if err := r.computeCodex(resources); err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(custom))
	for _, p := range custom {
		if seen[p.ID] {
			return nil, fmt.Errorf("client %q is given twice", p.ID)
		}
		seen[p.ID] = true
		if err := r.addCustom(p); err != nil {
			return nil, err
		}
	}
	return r, r.index()
}

func (r *Registry) add(p Profile) error {
	if err := p.check(); err != nil {
		return err
	}
	if _, twice := r.byID[p.ID]; twice {
		return fmt.Errorf("client %q is given twice", p.ID)
	}
	r.byID[p.ID] = &p
	r.profiles = append(r.profiles, &p)
	return nil
}

func (r *Registry) addCustom(p Profile) error {
	if known, extends := r.byID[p.ID]; extends {
		return r.extend(known, p)
	}
	p.BuiltIn = false
	if p.Name == "" {
		p.Name = p.ID
	}
	return r.add(p)
}

func (r *Registry) extend(known *Profile, more Profile) error {
	merged := *known
	merged.RedirectURIs = union(known.RedirectURIs, more.RedirectURIs)
	merged.LoopbackPaths = union(known.LoopbackPaths, more.LoopbackPaths)
	merged.MetadataDocuments = union(known.MetadataDocuments, more.MetadataDocuments)
	merged.CustomSchemes = union(known.CustomSchemes, more.CustomSchemes)
	if more.RotationGrace != 0 {
		merged.RotationGrace = more.RotationGrace
	}
	if err := merged.check(); err != nil {
		return err
	}
	*known = merged
	return nil
}

// index notes what is looked up, once all profiles are there.
func (r *Registry) index() error {
	r.byDocument = make(map[string]*Profile)
	for _, p := range r.profiles {
		for _, document := range p.MetadataDocuments {
			if other, taken := r.byDocument[document]; taken {
				return fmt.Errorf("client %q: the metadata document %s belongs to client %s already", p.ID, document, other.ID)
			}
			r.byDocument[document] = p
		}
		r.addHints(p)
	}
	return nil
}

// union joins two lists in their order.
func union(a, b []string) []string {
	joined := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(joined, s) {
			joined = append(joined, s)
		}
	}
	return joined
}

// Profile returns the profile with that id.
func (r *Registry) Profile(id string) (Profile, bool) {
	return found(r.byID[id])
}

// ByDocument returns the profile that lists a client id metadata document by
// exactly that address.
func (r *Registry) ByDocument(address string) (Profile, bool) {
	return found(r.byDocument[address])
}

func found(p *Profile) (Profile, bool) {
	if p == nil {
		return Profile{}, false
	}
	return *p, true
}

// IDs lists all profile ids, sorted.
func (r *Registry) IDs() []string {
	ids := make([]string, 0, len(r.profiles))
	for _, p := range r.profiles {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

// Match is the profile that a registration belongs to.
type Match struct {
	Profile Profile
	// Admitted are the redirect URIs to register, without repetition.
	Admitted []string
	// Dropped are private-use scheme URIs that the profile lists and that are not
	// registered (RFC 7591 §3.2.1 lets the server reduce a registration).
	Dropped []string
}

// RedirectError says which redirect URI no profile could be matched by.
type RedirectError struct {
	// Index of URI in the registration.
	Index int
	// URI is what was sent: text of an unknown party.
	URI string
	// Reason is client/bad_redirect_uri for a URI that no client may have, else
	// client/no_profile.
	Reason reason.Reason
	// Text says what is wrong, in words of ours.
	Text string
}

// Error describes the fault without the URI, which may hold anything.
func (e *RedirectError) Error() string { return fmt.Sprintf("redirect_uris[%d] %s", e.Index, e.Text) }

// Match finds the one profile to which all of redirects belong. Names play no
// part. Where several profiles fit, the first for which the first of prefer
// holds is taken, then the second decides, and so on; then the profile whose
// own hosts and ports the loopback addresses have, then the order of the
// registry. The error is a *RedirectError.
func (r *Registry) Match(redirects []string, prefer ...func(Profile) bool) (Match, error) {
	judged, err := r.judge(redirects)
	if err != nil {
		return Match{}, err
	}
	candidates := judged.candidates
	for _, want := range prefer {
		preferred := slices.DeleteFunc(slices.Clone(candidates), func(p *Profile) bool { return !want(*p) })
		if len(preferred) > 0 {
			candidates = preferred
		}
	}
	chosen := candidates[0]
	for _, p := range candidates[1:] {
		if judged.habits[p] > judged.habits[chosen] {
			chosen = p
		}
	}
	m := Match{Profile: *chosen}
	for i, uri := range redirects {
		if judged.fates[chosen][i] == dropped {
			m.Dropped = union(m.Dropped, []string{uri})
		} else {
			m.Admitted = union(m.Admitted, []string{uri})
		}
	}
	return m, nil
}

// judgement is what the profiles say of a registration.
type judgement struct {
	// candidates are the profiles to which every redirect URI belongs and at
	// least one may be registered for; one at least.
	candidates []*Profile
	fates      map[*Profile][]fate
	habits     map[*Profile]int
}

func (r *Registry) judge(redirects []string) (*judgement, error) {
	if len(redirects) == 0 {
		return nil, &RedirectError{Reason: reason.ClientBadRedirect, Text: "is missing"}
	}
	j := &judgement{candidates: r.profiles, fates: make(map[*Profile][]fate, len(r.profiles)), habits: make(map[*Profile]int)}
	for i, uri := range redirects {
		parsed, err := oauth.ParseRedirectURI(uri)
		if err != nil {
			return nil, &RedirectError{Index: i, URI: uri, Reason: reason.ClientBadRedirect, Text: "is refused: " + err.Error()}
		}
		left := slices.DeleteFunc(slices.Clone(j.candidates), func(p *Profile) bool {
			j.fates[p] = append(j.fates[p], p.judge(uri, parsed))
			j.habits[p] += p.habit(parsed)
			return j.fates[p][i] == unknown
		})
		if len(left) == 0 {
			return nil, &RedirectError{Index: i, URI: uri, Reason: reason.ClientNoProfile, Text: r.whyNone(uri, parsed)}
		}
		j.candidates = left
	}
	j.candidates = slices.DeleteFunc(j.candidates, func(p *Profile) bool { return !slices.Contains(j.fates[p], admitted) })
	if len(j.candidates) == 0 {
		return nil, &RedirectError{
			URI: redirects[0], Reason: reason.ClientBadRedirect,
			Text: "has a private-use scheme, which any app can claim; use https or a loopback address",
		}
	}
	return j, nil
}

func (r *Registry) whyNone(uri string, parsed *url.URL) string {
	for _, p := range r.profiles {
		if p.judge(uri, parsed) != unknown {
			return "belongs to another client than the ones before it"
		}
	}
	const none = "is not the address of a known client"
	if hint := r.hint(uri, parsed); hint != "" {
		return none + "; " + hint
	}
	return none
}
