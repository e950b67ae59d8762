package caddymodule

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
)

// printTable writes one line for each profile.
func (c *catalogue) printTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "ID\tNAME\tREGISTERS BY\tSENDS PEOPLE BACK TO\tNEEDS\tCONFIDENCE\tDATE"
	if c.configured {
		head += "\tALLOWED BY"
	}
	fmt.Fprintln(table, head)
	for i := range c.entries {
		e := &c.entries[i]
		cells := []string{e.ID, e.Name, orDash(strings.Join(e.Registers, ", ")), orDash(e.destinations()), orDash(plain(e.Needs)), orDash(e.Confidence), orDash(e.Date)}
		if c.configured {
			cells = append(cells, orDash(e.domains()))
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// printOne writes all that is known of a profile.
func (c *catalogue) printOne(w io.Writer, e *clientEntry) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, values ...string) {
		for i, value := range values {
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	text := func(name, value string) {
		if value != "" {
			row(name, value)
		}
	}
	row("id", e.ID)
	text("name", e.Name)
	text("vendor", e.Vendor)
	if e.BuiltIn {
		row("runs", map[bool]string{true: "in its vendor's cloud", false: "on the person's computer"}[e.Hosted])
	} else {
		row("defined by", "a client block")
	}
	row("also called", e.Aliases...)
	text("registers by", strings.Join(e.Registers, ", "))
	text("asks for", strings.Join(e.AuthMethods, ", "))
	row("redirect URIs", e.RedirectURIs...)
	row("templates", append(append(append([]string{}, e.RedirectTemplates...), e.LoopbackTemplates...), e.DocumentTemplates...)...)
	row("loopback paths", quoteEmpty(e.LoopbackPaths)...)
	text("it listens on", e.listens())
	row("documents", e.MetadataDocuments...)
	row("left out", e.CustomSchemes...)
	text("rotation grace", e.RotationGrace)
	text("needs", e.Needs)
	row("notes", e.Notes...)
	if c.configured {
		row("allowed by", orDash(e.domains()))
	}
	for i, source := range e.Sources {
		row(map[bool]string{true: "sources"}[i == 0], source.URL+" ("+source.Date+")")
	}
	text("confidence", e.Confidence)
	return table.Flush()
}

// destinations names the hosts and paths that people are sent back to, short.
func (e *clientEntry) destinations() string {
	var list []string
	for _, uri := range e.RedirectURIs {
		if u, err := url.Parse(uri); err == nil {
			list = addNew(list, []string{u.Host})
		}
	}
	for _, template := range e.RedirectTemplates {
		host, _, _ := strings.Cut(strings.TrimPrefix(template, "https://"), "/")
		list = addNew(list, []string{host})
	}
	if len(e.LoopbackPaths) > 0 {
		list = append(list, "this computer, "+strings.Join(quoteEmpty(e.LoopbackPaths), " "))
	}
	if len(list) == 0 && len(e.MetadataDocuments) > 0 {
		list = append(list, "what its document says")
	}
	return strings.Join(list, ", ")
}

// listens says which hosts and ports the product uses by itself.
func (e *clientEntry) listens() string {
	if len(e.LoopbackHosts) == 0 {
		return ""
	}
	var ports []string
	for _, port := range e.LoopbackPorts {
		ports = append(ports, strconv.Itoa(int(port)))
	}
	if e.AnyPort {
		ports = append(ports, "any port")
	}
	return strings.Join(e.LoopbackHosts, ", ") + "; " + strings.Join(ports, ", ") + " (the port is not compared)"
}

func (e *clientEntry) domains() string {
	list := append([]string{}, e.AllowedBy...)
	for _, name := range e.AllowedByOff {
		list = append(list, name+" (off)")
	}
	return strings.Join(list, ", ")
}

// plain takes the marks of code away, for a table.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// quoteEmpty makes an address without a path visible.
func quoteEmpty(paths []string) []string {
	shown := make([]string, len(paths))
	for i, path := range paths {
		shown[i] = path
		if path == "" {
			shown[i] = "(no path)"
		}
	}
	return shown
}
