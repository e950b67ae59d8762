package testport_test

import (
	"net"
	"testing"

	"github.com/teamlumos/mcp-edge/internal/testport"
)

func TestAFreePortCanBeListenedAtAndIsGivenOnce(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		port, err := testport.Free("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("port %s is given twice", port)
		}
		seen[port] = true
	}
	for port := range seen {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}

func TestWhereNobodyCanListenThereIsNoPort(t *testing.T) {
	if port, err := testport.Free("192.0.2.1"); err == nil {
		t.Errorf("got %s on an address that is not ours", port)
	}
}
