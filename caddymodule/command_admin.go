package caddymodule

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// addressFlags are how a command finds the gateway, as "reload" does.
func addressFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	flags.String("address", "", "Address of the gateway's admin endpoint, if it is not that of the configuration")
	flags.String("config", "", "Configuration that says where the admin endpoint is")
	flags.String("adapter", "", "Name of the adapter for the configuration")
	flags.Bool("json", false, "Print JSON")
	return flags
}

// adminClient asks a running gateway.
type adminClient struct {
	address string
}

// errAdminOff says what to do where no command can reach the gateway.
var errAdminOff = errors.New("the admin endpoint is off in this configuration, so that no command reaches the gateway: " +
	"in the root Caddyfile set MCP_EDGE_ADMIN, elsewhere the option admin, to a socket of the gateway's user like unix//run/mcp-edge/admin.sock|0600, and restart it")

// newAdminClient finds the admin endpoint: by the flag, by the configuration, or
// where Caddy has it by default.
func newAdminClient(flags caddycmd.Flags) (*adminClient, error) {
	if address := flags.String("address"); address != "" {
		return &adminClient{address}, nil
	}
	config, file, _, err := caddycmd.LoadConfig(flags.String("config"), flags.String("adapter"))
	if err != nil {
		return nil, err
	}
	var set struct {
		Admin caddy.AdminConfig `json:"admin"`
	}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &set); err != nil {
			return nil, fmt.Errorf("the configuration is not one of Caddy's: %w", err)
		}
	}
	if set.Admin.Disabled {
		return nil, errAdminOff
	}
	address, err := caddycmd.DetermineAdminAPIAddress("", config, file, flags.String("adapter"))
	if err != nil {
		return nil, err
	}
	return &adminClient{address}, nil
}

// do asks and reads the JSON answer into v.
func (c *adminClient) do(method, uri string, v any) error {
	resp, err := caddycmd.AdminAPIRequest(c.address, method, uri, nil, nil)
	if err != nil {
		// The text may repeat what strangers sent.
		return fmt.Errorf("asking the gateway at %s: %s: does it run, with its admin endpoint there?", c.address, shown(err.Error()))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the gateway's answer: %w", err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("the gateway's answer is not understood: %w", err)
	}
	return nil
}

// remove deletes what is at uri and reads the answer into v.
func (c *adminClient) remove(uri string, v any) error { return c.do(http.MethodDelete, uri, v) }

// shown makes text of strangers safe to print: one line in which nothing steers
// a terminal or changes how its surroundings are read.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
			return '?'
		}
		return r
	}, s)
}

// printASCII writes JSON in which all beyond ASCII is escaped, for terminals that
// take some of it for commands.
func printASCII(w io.Writer, value any) error {
	var plain strings.Builder
	if err := printJSON(&plain, value); err != nil {
		return err
	}
	var escaped strings.Builder
	for _, r := range plain.String() {
		switch {
		case r < 0x7f:
			escaped.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&escaped, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, escaped.String())
	return err
}
