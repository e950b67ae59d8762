// Package testport finds ports for servers that tests start later.
//
// Owns: the choice of a port that nobody listens at.
// Does not own: the listener; between the choice and the start another process
// could take the port. Those chosen here lie outside of the range from which
// operating systems hand out ports for outgoing connections and for port 0, so
// that only another choice of this package could.
// Trust: none needed; it is for tests.
package testport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

const (
	first = 20_000 // above the services that a machine may run
	ports = 12_000 // below 32768, where Linux begins to hand out
	tries = 1_000
)

var (
	mu    sync.Mutex
	given = map[int]bool{} // by this process, which may start the server much later
)

// Free returns a port at which nobody listens on host, and that it has not
// returned before in this process.
func Free(host string) (string, error) {
	mu.Lock()
	defer mu.Unlock()
	var last error
	for range tries {
		port := first + rand.IntN(ports)
		if given[port] {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		given[port] = true
		return strconv.Itoa(port), listener.Close()
	}
	return "", fmt.Errorf("no free port on %s: %w", host, last)
}
