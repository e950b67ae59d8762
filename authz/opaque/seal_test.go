package opaque_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/opaque"
)

func TestOnlyTheTokenAndItsContextOpenWhatWasSealedUnderThem(t *testing.T) {
	sealed, err := opaque.SealUnder("token", "context", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("plain")) {
		t.Fatal("the sealed value shows its content")
	}
	if plain, err := opaque.OpenUnder("token", "context", sealed); err != nil || string(plain) != "plain" {
		t.Fatalf("got %q, %v", plain, err)
	}
	damaged := bytes.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another token":   func() ([]byte, error) { return opaque.OpenUnder("tokem", "context", sealed) },
		"another context": func() ([]byte, error) { return opaque.OpenUnder("token", "contexT", sealed) },
		"a damaged value": func() ([]byte, error) { return opaque.OpenUnder("token", "context", damaged) },
		"a cut value":     func() ([]byte, error) { return opaque.OpenUnder("token", "context", sealed[:8]) },
		"nothing":         func() ([]byte, error) { return opaque.OpenUnder("token", "context", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			if plain, err := open(); !errors.Is(err, opaque.ErrSealed) || plain != nil {
				t.Fatalf("got %q, %v, want ErrSealed", plain, err)
			}
		})
	}
}

func TestSealerOpensOnlyItsOwnValuesForTheirPurpose(t *testing.T) {
	first, second := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	sealer := newSealer(t, second, first)
	sealed := sealer.Seal("sign-in", []byte("state"))
	if strings.ContainsAny(sealed, "+/=;, \"") {
		t.Fatalf("not fit for a cookie: %q", sealed)
	}
	if plain, err := sealer.Open("sign-in", sealed); err != nil || string(plain) != "state" {
		t.Fatalf("got %q, %v", plain, err)
	}
	previous := newSealer(t, first).Seal("sign-in", []byte("old"))
	if plain, err := sealer.Open("sign-in", previous); err != nil || string(plain) != "old" {
		t.Errorf("a value of the previous key: got %q, %v", plain, err)
	}
	changed := "A" + sealed[1:]
	if sealed[0] == 'A' {
		changed = "B" + sealed[1:]
	}
	for name, given := range map[string]struct{ purpose, sealed string }{
		"another purpose":    {"session", sealed},
		"a key that is gone": {"sign-in", newSealer(t, bytes.Repeat([]byte{3}, 32)).Seal("sign-in", []byte("x"))},
		"no base64":          {"sign-in", "not base64!"},
		"an empty value":     {"sign-in", ""},
		"a cut value":        {"sign-in", sealed[:len(sealed)-4]},
		"a changed value":    {"sign-in", changed},
	} {
		t.Run(name, func(t *testing.T) {
			if plain, err := sealer.Open(given.purpose, given.sealed); !errors.Is(err, opaque.ErrSealed) || plain != nil {
				t.Fatalf("got %q, %v, want ErrSealed", plain, err)
			}
		})
	}
	if again := sealer.Seal("sign-in", []byte("state")); again == sealed {
		t.Error("sealing the same value twice gives the same string")
	}
}

func TestNewSealerRefusesKeysThatProtectNothing(t *testing.T) {
	if _, err := opaque.NewSealer(nil); err == nil {
		t.Error("accepted no key")
	}
	if _, err := opaque.NewSealer([][]byte{make([]byte, 31)}); err == nil {
		t.Error("accepted a short key")
	}
}

func newSealer(t *testing.T, keys ...[]byte) *opaque.Sealer {
	t.Helper()
	s, err := opaque.NewSealer(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
