package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
)

// ownModule is the module of this repository.
const ownModule = "github.com/teamlumos/mcp-edge"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "xcaddy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("xcaddy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("manifest", "xcaddy.toml", "the manifest")
	local := flags.Bool("local", false, "build from this checkout instead of a release")
	execute := flags.Bool("run", false, "run the command instead of printing it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	m, err := readManifest(*path)
	if err != nil {
		return err
	}
	module, dir := "", ""
	if *local {
		module, dir = ownModule, "."
	}
	if !*execute {
		_, err := fmt.Fprintln(stdout, m.commandLine(module, dir))
		return err
	}
	if *local { // xcaddy builds in a folder of its own
		if dir, err = filepath.Abs(filepath.Dir(*path)); err != nil {
			return fmt.Errorf("finding this checkout: %w", err)
		}
	}
	return execXcaddy(ctx, m, module, dir, stdout, stderr)
}

func execXcaddy(ctx context.Context, m manifest, module, dir string, stdout, stderr io.Writer) error {
	binary, err := exec.LookPath("xcaddy")
	if err != nil {
		return errors.New("xcaddy is not in the PATH; install it, or build without it: go build -o mcp-edge")
	}
	command := exec.CommandContext(ctx, binary, m.arguments(module, dir)...) //nolint:gosec // the manifest is checked, and no shell reads it
	command.Env = append(os.Environ(), flagsVariable+"="+m.Build.goFlags())
	command.Stdout, command.Stderr = stdout, stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("running xcaddy: %w", err)
	}
	return nil
}
