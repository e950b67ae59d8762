package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "rejections",
		Usage: "[dismiss ID] [--json] [--address ADDRESS] [--config FILE [--adapter NAME]]",
		Short: "Lists the assistants that a running gateway refused, and what would admit each",
		Long: `
Lists the registrations and metadata documents that were refused because nothing
allows them, the newest first, each with the lines of a Caddyfile that admit it.
Nothing is admitted by this list: write the lines into the file, look at the
addresses in them first, and reload. Names were chosen by whoever asked; the
address is what gets the authorization codes.

"dismiss" takes one off the list. It comes back when the same is tried again.

A running gateway is asked through Caddy's admin endpoint, which is found as
"mcp-edge reload" finds it.
`,
		Flags: addressFlags("rejections"),
		Func:  runRejections,
	})
}

func runRejections(flags caddycmd.Flags) (int, error) {
	dismissing := flags.NArg() > 0
	if dismissing && (flags.Arg(0) != "dismiss" || flags.NArg() != 2) {
		return caddy.ExitCodeFailedStartup, errors.New("rejections takes nothing, or: dismiss ID")
	}
	gateway, err := newAdminClient(flags)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if dismissing {
		var done map[string]bool
		if err = gateway.remove(adminRejections+"/"+url.PathEscape(flags.Arg(1)), &done); err == nil {
			fmt.Println("dismissed")
		}
	} else {
		err = printRejections(os.Stdout, gateway, flags.Bool("json"))
	}
	if err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

func printRejections(w io.Writer, gateway *adminClient, asJSON bool) error {
	var list rejectionList
	if err := gateway.do(http.MethodGet, fmt.Sprintf("%s?limit=%d", adminRejections, maxPage), &list); err != nil {
		return err
	}
	if asJSON {
		return printASCII(w, list.Rejections)
	}
	if len(list.Rejections) == 0 {
		_, err := fmt.Fprintln(w, "nothing was refused that a configuration could admit")
		return err
	}
	for i := range list.Rejections {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if _, err := io.WriteString(w, list.Rejections[i].text()); err != nil {
			return err
		}
	}
	return nil
}

// text shows one rejection with what would admit it.
func (j *rejectionRow) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s  %s, last %s, %s", j.ID, times(j.Count), day(&j.LastAt), from(j.ClientIP))
	if j.ClientName != "" {
		line("  calls itself: %s", shown(j.ClientName))
	}
	for _, uri := range j.RedirectURIs {
		line("  sends people back to: %s", shown(uri))
	}
	if j.Document != "" {
		line("  its document: %s", shown(j.Document))
	}
	line("  refused: %s (%s)", shown(j.Advice), j.Reason)
	if j.Admit == nil {
		line("  %s", shown(j.Hopeless))
		return b.String()
	}
	j.Admit.write(line)
	return b.String()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func from(ip string) string {
	if ip == "" {
		return "from an unknown address"
	}
	return "from " + shown(ip)
}

// write shows the lines for the Caddyfile.
func (a *admitRow) write(line func(string, ...any)) {
	if a.Check != "" {
		line("  check first: %s", shown(a.Check))
	}
	if a.Client != "" {
		where := "in mcp_edge"
		if a.Extends {
			where = "in mcp_edge, or its lines in the block of that name"
		}
		line("  to admit it, %s:", where)
		for text := range strings.SplitSeq(a.Client, "\n") {
			inner, indented := strings.CutPrefix(text, "\t")
			line("%s%s", map[bool]string{false: "\t", true: "\t\t"}[indented], shown(inner))
		}
	}
	for _, d := range a.Domains {
		line("  and in domain %s, if its people may use it:", d.Domain)
		line("\t%s", shown(d.Clients))
	}
	switch {
	case len(a.AllowedBy) > 0 && a.Client == "":
		line("  it is allowed now, by %s", strings.Join(a.AllowedBy, ", "))
	case len(a.AllowedBy) > 0:
		line("  then it is allowed by %s", strings.Join(a.AllowedBy, ", "))
	case len(a.AllowedBy)+len(a.Domains) == 0:
		line("  and turn on the domain whose people may use it, with %s in its clients line", a.Profile)
	}
}
