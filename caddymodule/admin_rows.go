package caddymodule

import (
	"slices"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/store"
)

// clientPage answers GET /mcp_edge/clients.
type clientPage struct {
	Clients []clientRow `json:"clients"`
	Next    string      `json:"next,omitempty"` // for after=, when there are more
}

// clientRow is one client.
type clientRow struct {
	ID            string     `json:"id"`
	Kind          string     `json:"kind"` // registration, document
	Profile       string     `json:"profile"`
	Name          string     `json:"name"`
	RedirectURIs  []string   `json:"redirect_uris"`
	CreatedAt     time.Time  `json:"created_at"`
	FirstApproved *time.Time `json:"first_approved_at,omitempty"`
	LastApproved  *time.Time `json:"last_approved_at,omitempty"`
	LiveGrants    int        `json:"live_grants"`
	LastGrantAt   *time.Time `json:"last_grant_at,omitempty"`
}

func newClientRow(c store.ClientSummary) clientRow {
	last := c.ApprovedAt
	if last.IsZero() {
		last = c.AuthorizedAt
	}
	return clientRow{
		ID: c.ID, Kind: kindOf(c.Kind), Profile: c.Profile, Name: c.Name, RedirectURIs: c.RedirectURIs, CreatedAt: c.CreatedAt,
		FirstApproved: moment(c.AuthorizedAt), LastApproved: moment(last), LiveGrants: c.LiveGrants, LastGrantAt: moment(c.LastGrantAt),
	}
}

func kindOf(kind string) string {
	if kind == store.KindDocument {
		return "document"
	}
	return "registration"
}

// moment leaves out a time that there is not.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ended answers DELETE /mcp_edge/clients/ID.
type ended struct {
	Grants  int  `json:"ended_grants"`
	Removed bool `json:"removed"`
}

// signedOut answers DELETE /mcp_edge/people/DOMAIN/WHO.
type signedOut struct {
	People int `json:"people"`
	Grants int `json:"ended_grants"`
}

// rejectionList answers GET /mcp_edge/rejections.
type rejectionList struct {
	Rejections []rejectionRow `json:"rejections"`
}

// rejectionRow is one refused registration or metadata document.
type rejectionRow struct {
	ID           string    `json:"id"`
	Kind         string    `json:"kind"` // registration, document
	ClientName   string    `json:"client_name,omitempty"`
	RedirectURIs []string  `json:"redirect_uris,omitempty"`
	Document     string    `json:"document,omitempty"`
	Reason       string    `json:"reason"`
	Advice       string    `json:"advice"`
	ClientIP     string    `json:"client_ip,omitempty"`
	Count        int       `json:"count"`
	FirstAt      time.Time `json:"first_at"`
	LastAt       time.Time `json:"last_at"`
	Admit        *admitRow `json:"admit,omitempty"`
	Hopeless     string    `json:"hopeless,omitempty"` // why no configuration admits it
}

// admitRow is what admits it, as it stands in a Caddyfile.
type admitRow struct {
	Profile string `json:"profile"`
	// Client is a block for mcp_edge; empty where the profile fits already.
	Client string `json:"client,omitempty"`
	// Extends says that a block of that name may be there already: then its lines
	// belong into it.
	Extends bool   `json:"extends,omitempty"`
	Check   string `json:"check,omitempty"`
	// Domains are those that are on and do not allow the profile yet …
	Domains []admitLine `json:"domains,omitempty"`
	// … and AllowedBy those that do.
	AllowedBy []string `json:"allowed_by,omitempty"`
}

// admitLine is the clients line of a domain with the profile added.
type admitLine struct {
	Domain  string `json:"domain"`
	Clients string `json:"clients"`
}

func (a *App) newRejectionRow(r operator.Rejected) rejectionRow {
	row := rejectionRow{
		ID: r.ID, Kind: kindOf(r.Kind), ClientName: r.ClientName, RedirectURIs: r.RedirectURIs, Document: r.Document, Reason: r.Reason,
		Advice: r.Advice, ClientIP: r.ClientIP, Count: r.Count, FirstAt: r.FirstAt, LastAt: r.LastAt,
	}
	if r.Hopeless != nil {
		row.Hopeless = r.Hopeless.Error()
		return row
	}
	row.Admit = &admitRow{Profile: r.Remedy.Profile, Check: r.Remedy.Check}
	if len(r.Remedy.Lines) > 0 {
		row.Admit.Extends = r.Remedy.Extends
		row.Admit.Client = "client " + r.Remedy.Profile + " {\n\t" + strings.Join(r.Remedy.Lines, "\n\t") + "\n}"
	}
	for _, d := range a.Domains {
		switch {
		case !d.Enabled:
		case slices.Contains(d.Clients, r.Remedy.Profile):
			row.Admit.AllowedBy = append(row.Admit.AllowedBy, d.Name)
		default:
			line := strings.Join(append([]string{"clients"}, append(slices.Clone(d.Clients), r.Remedy.Profile)...), " ")
			row.Admit.Domains = append(row.Admit.Domains, admitLine{Domain: d.Name, Clients: line})
		}
	}
	return row
}
