// Command xcaddy prints, or runs, the xcaddy command that builds what
// xcaddy.toml describes:
//
//	go run ./internal/xcaddy          # print it
//	go run ./internal/xcaddy -local   # … for this checkout instead of a release
//	go run ./internal/xcaddy -run     # run it; needs xcaddy in the PATH
//
// Owns: the form of xcaddy.toml, which is this project's own, and its agreement
// with go.mod and main.go, which a test checks.
//
// Does not own: the build of the product. "go build" at the root of the
// repository needs none of this.
//
// Trust: the manifest is part of the repository; its values become arguments of
// a command, never of a shell.
package main
