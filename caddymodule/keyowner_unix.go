//go:build unix

package caddymodule

import (
	"fmt"
	"os"
	"syscall"

	"github.com/teamlumos/mcp-edge/authz/keys"
)

// checkKeyOwner refuses to replace a key file of another user: the new file
// would be ours, and the gateway could not read it any more.
func checkKeyOwner(storage keys.Storage) error {
	files, ok := storage.(interface{ Filename(key string) string })
	if !ok {
		return nil
	}
	name := files.Filename(keys.SigningDocument)
	info, err := os.Stat(name)
	if err != nil {
		return nil //nolint:nilerr // whoever reads the document says better what is wrong
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to you (%d): run this as the user of the gateway, which could not read the new file otherwise", name, owner.Uid, os.Geteuid())
	}
	return nil
}
