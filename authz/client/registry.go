package client

import (
	_ "embed"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

//go:embed profiles.json
var builtInProfiles []byte

// Registry is the set of known profiles. It does not change and is safe for
// concurrent use.
type Registry struct {
	profiles []*Profile // built-in ones first: they win where several match
	byID     map[string]*Profile
}

// NewRegistry returns the built-in profiles together with custom ones. A custom
// profile with the id of a built-in one adds to it: lists are joined, and a
// rotation grace replaces the built-in one; its name stays. Any other id is a
// new profile, whose name is its id unless it has one.
func NewRegistry(custom ...Profile) (*Registry, error) {
	builtIn, err := decodeProfiles(builtInProfiles)
	if err != nil {
		return nil, fmt.Errorf("built-in profiles: %w", err)
	}
	r := &Registry{byID: make(map[string]*Profile, len(builtIn)+len(custom))}
	for _, p := range builtIn {
		if err := r.add(p); err != nil {
			return nil, fmt.Errorf("built-in profiles: %w", err)
		}
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
	return r, nil
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
	known, extends := r.byID[p.ID]
	if !extends {
		p.BuiltIn = false
		if p.Name == "" {
			p.Name = p.ID
		}
		return r.add(p)
	}
	merged := *known
	merged.RedirectURIs = union(known.RedirectURIs, p.RedirectURIs)
	merged.LoopbackPaths = union(known.LoopbackPaths, p.LoopbackPaths)
	merged.MetadataDocuments = union(known.MetadataDocuments, p.MetadataDocuments)
	merged.CustomSchemes = union(known.CustomSchemes, p.CustomSchemes)
	if p.RotationGrace != 0 {
		merged.RotationGrace = p.RotationGrace
	}
	if err := merged.check(); err != nil {
		return err
	}
	*known = merged
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
	p, ok := r.byID[id]
	if !ok {
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
// holds is taken, then the second decides, and so on; then the order of the
// registry. The error is a *RedirectError.
func (r *Registry) Match(redirects []string, prefer ...func(Profile) bool) (Match, error) {
	fates, candidates, err := r.judge(redirects)
	if err != nil {
		return Match{}, err
	}
	for _, want := range prefer {
		preferred := slices.DeleteFunc(slices.Clone(candidates), func(p *Profile) bool { return !want(*p) })
		if len(preferred) > 0 {
			candidates = preferred
		}
	}
	chosen := candidates[0]
	m := Match{Profile: *chosen}
	for i, uri := range redirects {
		if fates[chosen][i] == dropped {
			m.Dropped = union(m.Dropped, []string{uri})
		} else {
			m.Admitted = union(m.Admitted, []string{uri})
		}
	}
	return m, nil
}

// judge returns the profiles to which every redirect URI belongs and at least
// one may be registered for; there is one at least when err is nil.
func (r *Registry) judge(redirects []string) (fates map[*Profile][]fate, candidates []*Profile, err error) {
	if len(redirects) == 0 {
		return nil, nil, &RedirectError{Reason: reason.ClientBadRedirect, Text: "is missing"}
	}
	candidates = r.profiles
	fates = make(map[*Profile][]fate, len(r.profiles))
	for i, uri := range redirects {
		parsed, err := oauth.ParseRedirectURI(uri)
		if err != nil {
			return nil, nil, &RedirectError{Index: i, URI: uri, Reason: reason.ClientBadRedirect, Text: "is refused: " + err.Error()}
		}
		left := slices.DeleteFunc(slices.Clone(candidates), func(p *Profile) bool {
			fates[p] = append(fates[p], p.judge(uri, parsed))
			return fates[p][i] == unknown
		})
		if len(left) == 0 {
			return nil, nil, &RedirectError{Index: i, URI: uri, Reason: reason.ClientNoProfile, Text: r.whyNone(uri, parsed)}
		}
		candidates = left
	}
	candidates = slices.DeleteFunc(candidates, func(p *Profile) bool { return !slices.Contains(fates[p], admitted) })
	if len(candidates) == 0 {
		return nil, nil, &RedirectError{
			URI: redirects[0], Reason: reason.ClientBadRedirect,
			Text: "has a private-use scheme, which any app can claim; use https or a loopback address",
		}
	}
	return fates, candidates, nil
}

func (r *Registry) whyNone(uri string, parsed *url.URL) string {
	for _, p := range r.profiles {
		if p.judge(uri, parsed) != unknown {
			return "belongs to another client than the ones before it"
		}
	}
	return "is not the address of a known client"
}

// storedProfile is the form of a profile in the data file.
type storedProfile struct {
	ID                string   `json:"id"`
	Name              string   `json:"name"`
	Aliases           []string `json:"aliases"`
	RedirectURIs      []string `json:"redirect_uris"`
	LoopbackPaths     []string `json:"loopback_paths"`
	MetadataDocuments []string `json:"metadata_documents"`
	CustomSchemes     []string `json:"custom_schemes"`
	RotationGrace     string   `json:"rotation_grace"` // as time.ParseDuration reads it
	Source            string   `json:"source"`
	Date              string   `json:"date"`
}

// decodeProfiles reads a data file strictly: a misspelt member would silently
// narrow or widen a profile.
func decodeProfiles(raw []byte) ([]Profile, error) {
	var stored []storedProfile
	if err := json.Unmarshal(raw, &stored, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	profiles := make([]Profile, 0, len(stored))
	for _, s := range stored {
		var grace time.Duration
		if s.RotationGrace != "" {
			var err error
			if grace, err = time.ParseDuration(s.RotationGrace); err != nil {
				return nil, fmt.Errorf("client %q: rotation grace: %w", s.ID, err)
			}
		}
		if _, err := time.Parse(time.DateOnly, s.Date); err != nil || s.Source == "" {
			return nil, fmt.Errorf("client %q: want a source and the date at which it was read", s.ID)
		}
		profiles = append(profiles, Profile{
			ID: s.ID, Name: s.Name, Aliases: s.Aliases, BuiltIn: true, RedirectURIs: s.RedirectURIs, LoopbackPaths: s.LoopbackPaths,
			MetadataDocuments: s.MetadataDocuments, CustomSchemes: s.CustomSchemes, RotationGrace: grace, Source: s.Source, Date: s.Date,
		})
	}
	return profiles, nil
}
