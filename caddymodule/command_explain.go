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

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "explain",
		Usage: "--user EMAIL --client ID --tool NAME [--resource URL] [--json] [--address ADDRESS] [--config FILE [--adapter NAME]]",
		Short: "Says what a call would meet in a running gateway, layer by layer",
		Long: `
Says whether a person may use a tool through an assistant right now, which layer
refuses if not, and what would change that. The client is the id of one, or that
of a host profile, which stands for all clients of it.

The answer comes from the configuration in service and from its store, by the
decision that calls get; groups are those of the person's last sign-in. Limits
and the backend are not asked, and the backend has the last word. Nothing is
changed.

A running gateway is asked through Caddy's admin endpoint, which is found as
"mcp-edge reload" finds it. The exit code says only whether it answered.
`,
		Flags: func() *flag.FlagSet {
			flags := addressFlags("explain")
			flags.String("user", "", "E-mail address of the person")
			flags.String("client", "", "Id of a client, or of a host profile")
			flags.String("tool", "", "Name of the tool")
			flags.String("resource", "", "URL of the MCP endpoint, where there are several")
			return flags
		}(),
		Func: runExplain,
	})
}

func runExplain(flags caddycmd.Flags) (int, error) {
	question := url.Values{}
	for _, name := range []string{"user", "client", "tool", "resource"} {
		if value := flags.String(name); value != "" {
			question.Set(name, value)
		}
	}
	if flags.NArg() > 0 || !question.Has("user") || !question.Has("client") || !question.Has("tool") {
		return caddy.ExitCodeFailedStartup, errors.New("explain needs --user EMAIL, --client ID and --tool NAME")
	}
	gateway, err := newAdminClient(flags)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if err := printExplanation(os.Stdout, gateway, question, flags.Bool("json")); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

func printExplanation(w io.Writer, gateway *adminClient, question url.Values, asJSON bool) error {
	var e explanation
	if err := gateway.do(http.MethodGet, adminExplain+"?"+question.Encode(), &e); err != nil {
		return err
	}
	if asJSON {
		return printASCII(w, e)
	}
	return e.print(w)
}

// print writes the verdict, the layers as a table, and what to do.
func (e *explanation) print(w io.Writer) error {
	client := e.Client.Profile
	if e.Client.ID != "" {
		client = e.Client.Name + " (" + e.Client.ID + ")"
	}
	fmt.Fprintf(w, "%s  %s by %s for %s at %s\n", strings.ToUpper(strings.ReplaceAll(e.Verdict, "_", " ")), e.Tool.Name, orDash(shown(client)), shown(e.Person.Email), e.Resource)
	fmt.Fprintf(w, "needs   scope %s, permission %s\n", e.Tool.Scope, e.Tool.Permission)
	fmt.Fprintf(w, "person  signed in %s, %s, %s\n", day(e.Person.SignedInAt), shown(listed("group", e.Person.Groups)), listed("role", e.Person.Roles))
	if e.Person.Others > 0 {
		fmt.Fprintf(w, "        who signed in last; %d more had this address before\n", e.Person.Others)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LAYER\tSAYS\tWHY")
	for _, l := range e.Layers {
		says := "ok"
		if !l.OK {
			says = l.Reason
		}
		fmt.Fprintln(table, strings.Join([]string{l.Layer, says, shown(l.Detail)}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(e.Grants) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintln(table, "GRANT\tSINCE\tSCOPES\tVERDICT\tCLIENT")
		for i := range e.Grants {
			g := &e.Grants[i]
			fmt.Fprintln(table, strings.Join([]string{g.ID, day(&g.CreatedAt), strings.Join(g.Scopes, " "), g.Verdict, shown(g.Client)}, "\t"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	before := "\n"
	for _, l := range e.Layers {
		if l.Remedy != "" {
			fmt.Fprintf(w, "%sto change %s: %s\n", before, l.Reason, shown(l.Remedy))
			before = ""
		}
	}
	return nil
}
