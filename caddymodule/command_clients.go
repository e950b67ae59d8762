package caddymodule

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/teamlumos/mcp-edge/authz/client"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "clients",
		Usage: "[ID] [--json] [--config FILE [--adapter NAME]]",
		Short: "Lists the assistants that can be allowed, and what each needs",
		Long: `
Lists the host profiles: the assistants that a domain can allow with its
clients line, how each comes to a client id, where it wants people sent back to,
what it needs beyond being allowed, and how sure that is.

With an ID all that is known of that one is printed, with its sources.

Nothing is contacted and no gateway has to run. With --config the profiles of
that file are listed too, and which of its domains allow each; the file is read
as "mcp-edge adapt" reads it.
`,
		Flags: func() *flag.FlagSet {
			flags := flag.NewFlagSet("clients", flag.ExitOnError)
			flags.Bool("json", false, "Print JSON")
			flags.String("config", "", "Configuration whose client blocks and domains are shown too")
			flags.String("adapter", "", "Name of the adapter for the configuration")
			return flags
		}(),
		Func: runClients,
	})
}

func runClients(flags caddycmd.Flags) (int, error) {
	if flags.NArg() > 1 {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("clients takes one id at most, it has %d", flags.NArg())
	}
	var config []byte
	if file := flags.String("config"); file != "" {
		var err error
		if config, _, _, err = caddycmd.LoadConfig(file, flags.String("adapter")); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
	}
	catalogue, err := newCatalogue(config)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if err := catalogue.print(os.Stdout, flags.Arg(0), flags.Bool("json")); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

// catalogue is what the command clients shows.
type catalogue struct {
	configured bool // whether there is a configuration, so that domains mean something
	entries    []clientEntry
}

// clientEntry is one profile in the form of the JSON output.
type clientEntry struct {
	ID                string          `json:"id"`
	Name              string          `json:"name"`
	Vendor            string          `json:"vendor,omitempty"`
	BuiltIn           bool            `json:"built_in"`
	Hosted            bool            `json:"hosted,omitempty"`
	Aliases           []string        `json:"aliases,omitempty"`
	Registers         []string        `json:"registers,omitempty"`
	AuthMethods       []string        `json:"auth_methods,omitempty"`
	RedirectURIs      []string        `json:"redirect_uris,omitempty"`
	RedirectTemplates []string        `json:"redirect_templates,omitempty"`
	LoopbackHosts     []string        `json:"loopback_hosts,omitempty"`
	LoopbackPaths     []string        `json:"loopback_paths,omitempty"`
	LoopbackTemplates []string        `json:"loopback_templates,omitempty"`
	LoopbackPorts     []uint16        `json:"loopback_ports,omitempty"`
	AnyPort           bool            `json:"any_port,omitempty"`
	MetadataDocuments []string        `json:"metadata_documents,omitempty"`
	DocumentTemplates []string        `json:"document_templates,omitempty"`
	CustomSchemes     []string        `json:"custom_schemes,omitempty"`
	RotationGrace     string          `json:"rotation_grace,omitempty"`
	Ready             bool            `json:"ready"`
	Needs             string          `json:"needs,omitempty"`
	Notes             []string        `json:"notes,omitempty"`
	Sources           []client.Source `json:"sources,omitempty"`
	Confidence        string          `json:"confidence,omitempty"`
	Date              string          `json:"date,omitempty"`
	// The domains of the configuration that allow it; turned-off ones apart.
	AllowedBy    []string `json:"allowed_by,omitempty"`
	AllowedByOff []string `json:"allowed_by_off,omitempty"`
}

// newCatalogue collects the built-in profiles and those of a configuration in
// JSON, if there is one.
func newCatalogue(config []byte) (*catalogue, error) {
	c := &catalogue{configured: len(config) > 0}
	var app App
	var resources []string
	if c.configured {
		var whole struct {
			Apps map[string]json.RawMessage `json:"apps"`
		}
		if err := json.Unmarshal(config, &whole); err != nil {
			return nil, fmt.Errorf("the configuration is not one of Caddy's: %w", err)
		}
		raw, ok := whole.Apps[appName]
		if !ok {
			return nil, errNoApp
		}
		if err := json.Unmarshal(raw, &app); err != nil {
			return nil, fmt.Errorf("the app %s: %w", appName, err)
		}
		resources = resourcesIn(config)
	}
	builtIn, err := client.NewRegistry()
	if err != nil {
		return nil, err
	}
	registry, err := registryFor(resources, app.Clients)
	if err != nil {
		return nil, err
	}
	for _, id := range registry.IDs() {
		p, _ := registry.Profile(id)
		entry := entryOf(&p)
		if bare, ok := builtIn.Profile(id); ok && !bare.Ready() && p.Ready() {
			entry.Needs = "" // its client block has given what was missing
		}
		for _, domain := range app.Domains {
			switch {
			case !slices.Contains(domain.Clients, id):
			case domain.Enabled:
				entry.AllowedBy = append(entry.AllowedBy, domain.Name)
			default:
				entry.AllowedByOff = append(entry.AllowedByOff, domain.Name)
			}
		}
		c.entries = append(c.entries, entry)
	}
	return c, nil
}

func entryOf(p *client.Profile) clientEntry {
	entry := clientEntry{
		ID: p.ID, Name: p.Name, Vendor: p.Vendor, BuiltIn: p.BuiltIn, Hosted: p.Hosted, Aliases: p.Aliases,
		Registers: p.Registers, AuthMethods: p.AuthMethods,
		RedirectURIs: p.RedirectURIs, RedirectTemplates: p.RedirectTemplates,
		LoopbackHosts: p.LoopbackHosts, LoopbackPaths: p.LoopbackPaths, LoopbackTemplates: p.LoopbackTemplates,
		LoopbackPorts: p.LoopbackPorts, AnyPort: p.AnyPort,
		MetadataDocuments: p.MetadataDocuments, DocumentTemplates: p.DocumentTemplates, CustomSchemes: p.CustomSchemes,
		Ready: p.Ready(), Needs: p.Needs, Notes: p.Notes, Sources: p.Sources, Confidence: p.Confidence, Date: p.Date(),
	}
	if p.RotationGrace != 0 {
		entry.RotationGrace = p.RotationGrace.String()
	}
	return entry
}

// resourcesIn finds the public URLs of the MCP endpoints wherever they stand in
// a configuration: routes nest as deep as sites and handle blocks do. A URL that
// is known only when the configuration is loaded is left out.
func resourcesIn(config []byte) []string {
	var node struct {
		Handler  string `json:"handler"`
		Resource string `json:"resource"`
	}
	var members map[string]json.RawMessage
	var items []json.RawMessage
	var found []string
	switch {
	case json.Unmarshal(config, &members) == nil:
		if json.Unmarshal(config, &node) == nil && node.Handler == "mcp_bridge" && node.Resource != "" && !holdsPlaceholder(node.Resource) {
			return []string{node.Resource}
		}
		for _, member := range members {
			found = append(found, resourcesIn(member)...)
		}
	case json.Unmarshal(config, &items) == nil:
		for _, item := range items {
			found = append(found, resourcesIn(item)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// print writes all profiles, or the one with that id.
func (c *catalogue) print(w io.Writer, id string, asJSON bool) error {
	if id == "" {
		if asJSON {
			return printJSON(w, c.entries)
		}
		return c.printTable(w)
	}
	var known []string
	for i := range c.entries {
		entry := &c.entries[i]
		known = append(known, entry.ID)
		if entry.ID != id {
			continue
		}
		if asJSON {
			return printJSON(w, entry)
		}
		return c.printOne(w, entry)
	}
	return fmt.Errorf("there is no client %q: %s", id, suggest(id, known))
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
