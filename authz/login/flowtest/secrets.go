package flowtest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/audit"
)

// secrets remembers every credential that browsers were given and everything
// that was logged, to find the one in the other.
type secrets struct {
	mu     sync.Mutex
	issued []string
	log    bytes.Buffer
}

// Write takes log lines.
func (s *secrets) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// issue notes a credential; short values would be found by chance.
func (s *secrets) issue(value string) {
	if len(value) < 20 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued = append(s.issued, value)
}

// check fails the test if a credential is in the log or in an audit event.
func (s *secrets) check(t testing.TB, events []audit.Event) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	written := s.log.String() + fmt.Sprintf("%+v", events)
	for _, secret := range s.issued {
		if strings.Contains(written, secret) {
			t.Errorf("a credential was written down: %.12s…", secret)
		}
	}
}
