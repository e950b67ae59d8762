package client

import (
	_ "embed"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

//go:embed profiles.json
var builtInProfiles []byte

// builtIns reads the data file once; nobody changes what it returns.
var builtIns = sync.OnceValues(func() ([]Profile, error) { return decodeProfiles(builtInProfiles) })

// storedProfile is the form of a profile in the data file.
type storedProfile struct {
	ID                string         `json:"id"`
	Name              string         `json:"name"`
	Vendor            string         `json:"vendor"`
	Hosted            bool           `json:"hosted"`
	Aliases           []string       `json:"aliases"`
	RedirectURIs      []string       `json:"redirect_uris"`
	RedirectTemplates []string       `json:"redirect_templates"`
	Loopback          storedLoopback `json:"loopback"`
	MetadataDocuments []string       `json:"metadata_documents"`
	DocumentTemplates []string       `json:"document_templates"`
	CustomSchemes     []string       `json:"custom_schemes"`
	Registers         []string       `json:"registers"`
	AuthMethods       []string       `json:"auth_methods"`
	RotationGrace     string         `json:"rotation_grace"` // as time.ParseDuration reads it
	Needs             string         `json:"needs"`
	Notes             []string       `json:"notes"`
	Sources           []Source       `json:"sources"`
	Confidence        string         `json:"confidence"`
}

type storedLoopback struct {
	Hosts         []string `json:"hosts"`
	Paths         []string `json:"paths"`
	PathTemplates []string `json:"path_templates"`
	Ports         []uint16 `json:"ports"`    // tried in this order
	AnyPort       bool     `json:"any_port"` // and then, or only, a random one
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
		p, err := s.profile()
		if err != nil {
			return nil, fmt.Errorf("client %q: %w", s.ID, err)
		}
		profiles = append(profiles, p)
	}
	return profiles, nil
}

func (s *storedProfile) profile() (Profile, error) {
	var grace time.Duration
	if s.RotationGrace != "" {
		var err error
		if grace, err = time.ParseDuration(s.RotationGrace); err != nil {
			return Profile{}, fmt.Errorf("rotation grace: %w", err)
		}
	}
	if len(s.Sources) == 0 {
		return Profile{}, fmt.Errorf("want a source")
	}
	for _, source := range s.Sources {
		if source.URL == "" || !isDate(source.Date) {
			return Profile{}, fmt.Errorf("want sources with a URL and a date, got %q of %q", source.URL, source.Date)
		}
	}
	for _, closed := range []struct {
		what    string
		values  []string
		allowed []string
	}{
		{"confidence", []string{s.Confidence}, []string{Documented, Reported, Inferred}},
		{"registers", s.Registers, []string{ByDocument, ByRequest, ByHand}},
		{"loopback host", s.Loopback.Hosts, []string{"localhost", "127.0.0.1", "[::1]"}},
	} {
		for _, value := range closed.values {
			if !slices.Contains(closed.allowed, value) {
				return Profile{}, fmt.Errorf("%s is %q, want one of %q", closed.what, value, closed.allowed)
			}
		}
	}
	return Profile{
		ID: s.ID, Name: s.Name, Vendor: s.Vendor, Aliases: s.Aliases, BuiltIn: true, Hosted: s.Hosted,
		RedirectURIs: s.RedirectURIs, LoopbackPaths: s.Loopback.Paths, MetadataDocuments: s.MetadataDocuments, CustomSchemes: s.CustomSchemes,
		RedirectTemplates: s.RedirectTemplates, LoopbackTemplates: s.Loopback.PathTemplates, DocumentTemplates: s.DocumentTemplates,
		LoopbackHosts: s.Loopback.Hosts, LoopbackPorts: s.Loopback.Ports, AnyPort: s.Loopback.AnyPort,
		Registers: s.Registers, AuthMethods: s.AuthMethods, RotationGrace: grace,
		Needs: s.Needs, Notes: s.Notes, Sources: s.Sources, Confidence: s.Confidence,
	}, nil
}

// isDate accepts a day, a month or a year: the precision that a source has.
func isDate(s string) bool {
	return slices.ContainsFunc([]string{time.DateOnly, "2006-01", "2006"}, func(layout string) bool {
		_, err := time.Parse(layout, s)
		return err == nil
	})
}
