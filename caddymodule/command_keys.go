package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/teamlumos/mcp-edge/authz/keys"
	"github.com/teamlumos/mcp-edge/internal/clock"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "keys",
		Usage: "list|rotate [--force] [--json] [--config FILE [--adapter NAME]]",
		Short: "Lists the gateway's keys, or rotates those that sign requests to backends",
		Long: `
list prints the keys that lie in the storage of the configuration, without their
secrets, and what each is used for now.

rotate adds a new signing key of each algorithm. Backends need do nothing: the new
keys are published at once, sign when every verifier may know them, and the old
ones stay published until their last assertion is dead. All of it happens by the
clock; running gateways find the rotation by themselves. What will happen when is
printed. While a rotation is under way another one is refused, unless --force is
given; that breaks no verifier either.

Run it as the user of the gateway, on any one node of a cluster.
`,
		Flags: func() *flag.FlagSet {
			flags := flag.NewFlagSet("keys", flag.ExitOnError)
			flags.Bool("force", false, "Rotate although a rotation is under way")
			flags.Bool("json", false, "Print JSON")
			flags.String("config", "", "Configuration whose storage holds the keys (default: the Caddyfile here)")
			flags.String("adapter", "", "Name of the adapter for the configuration")
			return flags
		}(),
		Func: runKeys,
	})
}

// keysTimeout bounds waiting for the storage and for its lock.
const keysTimeout = time.Minute

func runKeys(flags caddycmd.Flags) (int, error) {
	if action := flags.Arg(0); flags.NArg() != 1 || action != "list" && action != "rotate" {
		return caddy.ExitCodeFailedStartup, errors.New("keys takes one word: list or rotate")
	}
	config, _, _, err := caddycmd.LoadConfig(flags.String("config"), flags.String("adapter"))
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	c := keysCommand{rotate: flags.Arg(0) == "rotate", force: flags.Bool("force"), json: flags.Bool("json"), clock: clock.System}
	if err := c.run(config, os.Stdout); err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

// keysCommand is one call of the command keys.
type keysCommand struct {
	rotate, force, json bool
	clock               clock.Clock
}

// run works on the storage of a configuration in JSON.
func (c keysCommand) run(config []byte, out io.Writer) error {
	base, cancelBase := context.WithTimeout(context.Background(), keysTimeout)
	defer cancelBase()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: base})
	defer cancel()
	storage, err := storageOf(ctx, config)
	if err != nil {
		return err
	}
	if c.rotate {
		err = c.printRotation(ctx, storage, out)
	} else {
		err = c.printList(ctx, storage, out)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there are no keys in this storage yet, the gateway makes them at its first start; is it the gateway's configuration? %w", err)
	}
	return err
}

// storageOf opens the storage that a configuration names, or Caddy's default.
func storageOf(ctx caddy.Context, config []byte) (keys.Storage, error) {
	var named struct {
		StorageRaw json.RawMessage `json:"storage,omitempty" caddy:"namespace=caddy.storage inline_key=module"`
	}
	if err := json.Unmarshal(config, &named); err != nil {
		return nil, fmt.Errorf("the configuration is not one of Caddy's: %w", err)
	}
	if named.StorageRaw == nil {
		return caddy.DefaultStorage, nil
	}
	module, err := ctx.LoadModule(&named, "StorageRaw")
	if err != nil {
		return nil, fmt.Errorf("loading the storage: %w", err)
	}
	converter, ok := module.(caddy.StorageConverter)
	if !ok {
		return nil, fmt.Errorf("storage module is %T, which is no storage", module)
	}
	return converter.CertMagicStorage()
}

func (c keysCommand) printList(ctx context.Context, storage keys.Storage, out io.Writer) error {
	infos, err := keys.List(ctx, storage, c.clock)
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(out, infos)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "FOR\tALG\tSTATE\tUSED FROM\tPUBLISHED UNTIL\tID")
	for _, i := range infos {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", i.Purpose, orDash(i.Algorithm), i.State, stamp(i.UseFrom), stamp(i.AcceptUntil), i.ID)
	}
	return table.Flush()
}

func (c keysCommand) printRotation(ctx context.Context, storage keys.Storage, out io.Writer) error {
	if err := checkKeyOwner(storage); err != nil {
		return err
	}
	r, err := keys.Rotate(ctx, storage, c.clock, nil, c.force)
	if errors.Is(err, keys.ErrOverlap) && !c.force {
		return fmt.Errorf("%w; wait for it, or use --force", err)
	}
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(out, r)
	}
	_, err = fmt.Fprintf(out, `The new signing keys are stored. What happens now happens by itself:

  within %-16s running gateways publish them beside the old ones
  %s    they sign; the old ones stay published
  %s    the old ones are withdrawn

`, keys.RefreshEvery.String()+":", stamp(r.SignFrom), stamp(r.Done))
	if err != nil {
		return err
	}
	for _, i := range r.Keys {
		if _, err := fmt.Fprintf(out, "%-8s %-6s %s\n", i.State, i.Algorithm, i.ID); err != nil {
			return err
		}
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
