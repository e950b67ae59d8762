package caddymodule

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "registrations",
		Usage: "[remove ID [--keep-client]] [--json] [--address ADDRESS] [--config FILE [--adapter NAME]]",
		Short: "Lists the clients of a running gateway, or removes one",
		Long: `
Lists the clients that people have approved: assistants that registered
themselves, and those that a metadata document describes. A registration that
nobody has approved yet takes no room and is not listed.

"remove" ends all grants of a client, in all domains, and the client itself: its
tokens are refused from its next request on. An assistant may register anew, and
one with a document comes back with the next person who connects it; what keeps
an assistant out is the clients line of the domain. With --keep-client the grants
end and the client stays, so that people approve again.

A running gateway is asked through Caddy's admin endpoint, which is found as
"mcp-edge reload" finds it. Each removal is in the audit trail.
`,
		Flags: func() *flag.FlagSet {
			flags := addressFlags("registrations")
			flags.Bool("keep-client", false, "With remove: end the grants and keep the client")
			return flags
		}(),
		Func: runRegistrations,
	})
}

func runRegistrations(flags caddycmd.Flags) (int, error) {
	removing := flags.NArg() > 0
	switch {
	case removing && (flags.Arg(0) != "remove" || flags.NArg() != 2):
		return caddy.ExitCodeFailedStartup, errors.New("registrations takes nothing, or: remove ID")
	case !removing && flags.Bool("keep-client"):
		return caddy.ExitCodeFailedStartup, errors.New("--keep-client belongs to: registrations remove ID")
	}
	gateway, err := newAdminClient(flags)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if removing {
		err = removeRegistration(os.Stdout, gateway, flags.Arg(1), flags.Bool("keep-client"), flags.Bool("json"))
	} else {
		err = printRegistrations(os.Stdout, gateway, flags.Bool("json"))
	}
	if err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

func removeRegistration(w io.Writer, gateway *adminClient, id string, keep, asJSON bool) error {
	uri := adminClients + "/" + url.PathEscape(id)
	if keep {
		uri += "?grants=only"
	}
	var done ended
	if err := gateway.remove(uri, &done); err != nil {
		return err
	}
	if asJSON {
		return printASCII(w, done)
	}
	what := "removed the client"
	if !done.Removed {
		what = "kept the client"
	}
	_, err := fmt.Fprintf(w, "%s, ended %d grants\n", what, done.Grants)
	return err
}

func printRegistrations(w io.Writer, gateway *adminClient, asJSON bool) error {
	all := []clientRow{}
	for after := ""; ; {
		var page clientPage
		if err := gateway.do(http.MethodGet, fmt.Sprintf("%s?limit=%d&after=%s", adminClients, maxPage, url.QueryEscape(after)), &page); err != nil {
			return err
		}
		all = append(all, page.Clients...)
		if page.Next == "" {
			break
		}
		after = page.Next
	}
	if asJSON {
		return printASCII(w, all)
	}
	return printClientRows(w, all)
}

// printClientRows writes one line for each client.
func printClientRows(w io.Writer, rows []clientRow) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROFILE\tNAME\tKIND\tGRANTS\tCREATED\tFIRST APPROVED\tLAST APPROVED\tID")
	for _, c := range rows {
		fmt.Fprintln(table, strings.Join([]string{
			orDash(shown(c.Profile)), orDash(shown(c.Name)), c.Kind, fmt.Sprint(c.LiveGrants), day(&c.CreatedAt), day(c.FirstApproved), day(c.LastApproved), shown(c.ID),
		}, "\t"))
	}
	return table.Flush()
}

// day writes a moment for a table, in UTC.
func day(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
