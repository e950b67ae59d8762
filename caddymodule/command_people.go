package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "people",
		Usage: "sign-out DOMAIN EMAIL [--json] [--address ADDRESS] [--config FILE [--adapter NAME]]",
		Short: "Signs a person out of a running gateway everywhere",
		Long: `
"sign-out" ends everything of a person at once: the grants of all assistants,
codes that were not redeemed yet, browser sessions and open consent pages. Instead
of the e-mail address it takes the person's id in the store.

They may sign in again and approve anew. What keeps a person out is the identity
provider, the backend, or the users line of the domain.

A running gateway is asked through Caddy's admin endpoint, which is found as
"mcp-edge reload" finds it. Each sign-out is in the audit trail.
`,
		Flags: addressFlags("people"),
		Func:  runPeople,
	})
}

func runPeople(flags caddycmd.Flags) (int, error) {
	if flags.NArg() != 3 || flags.Arg(0) != "sign-out" {
		return caddy.ExitCodeFailedStartup, errors.New("people takes: sign-out DOMAIN EMAIL")
	}
	gateway, err := newAdminClient(flags)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if err := signOutPerson(os.Stdout, gateway, flags.Arg(1), flags.Arg(2), flags.Bool("json")); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

func signOutPerson(w io.Writer, gateway *adminClient, domain, who string, asJSON bool) error {
	var done signedOut
	if err := gateway.remove(adminPeople+"/"+url.PathEscape(domain)+"/"+url.PathEscape(who), &done); err != nil {
		return err
	}
	if asJSON {
		return printASCII(w, done)
	}
	_, err := fmt.Fprintf(w, "signed out %d people, ended %d grants\n", done.People, done.Grants)
	return err
}
