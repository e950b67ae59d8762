package sqlite_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// childVariable makes this test binary act as another process: its value names
// what to do, childPath the database.
const (
	childVariable = "SQLITE_TEST_CHILD"
	childPath     = "SQLITE_TEST_PATH"
)

// children are what another process can do.
var children = map[string]func(path string) error{
	"migrate": migrateOnce,
	"rotate":  rotateForEver,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		if err := children[name](os.Getenv(childPath)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child is a process, not yet started, that does the named thing.
func child(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+name, childPath+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}
