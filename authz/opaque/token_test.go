package opaque_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/opaque"
)

var (
	newKey = opaque.MACKey{ID: "k2", Key: bytes.Repeat([]byte{2}, 32)}
	oldKey = opaque.MACKey{ID: "k1", Key: bytes.Repeat([]byte{1}, 32)}
	kinds  = []opaque.Kind{opaque.ClientID, opaque.Code, opaque.Access, opaque.Refresh, opaque.ClientSecret, opaque.Registration, opaque.Session}
)

func minter(t testing.TB, keys ...opaque.MACKey) *opaque.Minter {
	t.Helper()
	m, err := opaque.NewMinter(keys, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestACredentialSaysWhatItWasMintedFor(t *testing.T) {
	m := minter(t, newKey, oldKey)
	for _, kind := range kinds {
		for _, family := range []string{"", opaque.NewID(rand.Reader)} {
			for _, gen := range []uint32{0, 1, 1<<32 - 1} {
				token, hash := m.Mint(kind, family, gen)
				if want := string(kind) + "k2."; !strings.HasPrefix(token, want) {
					t.Fatalf("%q does not begin with %q", token, want)
				}
				if len(token) > opaque.MaxLength {
					t.Fatalf("%d bytes are more than %d", len(token), opaque.MaxLength)
				}
				parsed, ok := m.Parse(kind, token)
				if want := (opaque.Parsed{Family: family, Gen: gen, Hash: hash}); !ok || parsed != want {
					t.Fatalf("got %+v, %v, want %+v", parsed, ok, want)
				}
				if hash != opaque.HashOf(token) {
					t.Fatal("Mint and HashOf disagree")
				}
			}
		}
	}
}

func TestWhatIsDerivedForAClientIsTheSameEachTime(t *testing.T) {
	id, _ := minter(t, oldKey).Mint(opaque.ClientID, "", 0)
	want, hash, ok := minter(t, oldKey).Derive(opaque.ClientSecret, id)
	if !ok || !strings.HasPrefix(want, "lms_k1.") || len(want) > opaque.MaxLength || hash != opaque.HashOf(want) {
		t.Fatalf("derived %q, %v", want, ok)
	}
	if again, _, _ := minter(t, newKey, oldKey).Derive(opaque.ClientSecret, id); again != want {
		t.Error("another process derives another secret")
	}
	seen := map[string]string{want[strings.IndexByte(want, '.'):]: "the secret"}
	otherID, _ := minter(t, oldKey).Mint(opaque.ClientID, "", 0)
	forged := opaque.MACKey{ID: oldKey.ID, Key: bytes.Repeat([]byte{9}, 32)}
	for name, derive := range map[string]func() (string, bool){
		"another kind": func() (string, bool) { c, _, ok := minter(t, oldKey).Derive(opaque.Registration, id); return c, ok },
		"another client": func() (string, bool) {
			c, _, ok := minter(t, oldKey).Derive(opaque.ClientSecret, otherID)
			return c, ok
		},
		"another key": func() (string, bool) { c, _, ok := minter(t, forged).Derive(opaque.ClientSecret, id); return c, ok },
	} {
		got, ok := derive()
		if other, taken := seen[got[strings.IndexByte(got, '.'):]]; !ok || taken {
			t.Errorf("%s: %v, the same as %s", name, ok, other)
		}
		seen[got[strings.IndexByte(got, '.'):]] = name
	}
	for _, gone := range []string{"", "lmcl_", "lmcl_k3.x", "lms_k1.x", strings.Replace(id, "k1", "k2", 1)} {
		if _, _, ok := minter(t, oldKey).Derive(opaque.ClientSecret, gone); ok {
			t.Errorf("derived for %q", gone)
		}
	}
	if _, ok := minter(t, oldKey).Parse(opaque.ClientSecret, want); ok {
		t.Error("a derived credential passes for a minted one")
	}
}

func TestTwoCredentialsForTheSamePurposeDiffer(t *testing.T) {
	m := minter(t, newKey)
	family := opaque.NewID(rand.Reader)
	a, _ := m.Mint(opaque.Refresh, family, 1)
	b, _ := m.Mint(opaque.Refresh, family, 1)
	if a == b {
		t.Fatal("two refresh tokens of one generation are equal")
	}
}

func TestParseRefusesWhatWasNotMinted(t *testing.T) {
	m := minter(t, newKey, oldKey)
	token, _ := m.Mint(opaque.Access, opaque.NewID(rand.Reader), 7)
	body := strings.TrimPrefix(token, "lma_k2.")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) string {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		return "lma_k2." + base64.RawURLEncoding.EncodeToString(changed)
	}
	foreign, _ := minter(t, opaque.MACKey{ID: "k2", Key: bytes.Repeat([]byte{9}, 32)}).Mint(opaque.Access, "", 0)
	retired, _ := minter(t, opaque.MACKey{ID: "k0", Key: oldKey.Key}).Mint(opaque.Access, "", 0)
	last := body[len(body)-1]
	for name, given := range map[string]string{
		"an empty string":                           "",
		"a prefix alone":                            "lma_",
		"no separator":                              "lma_k2" + body,
		"a changed family id":                       flip(0),
		"a changed generation":                      flip(19),
		"a changed secret":                          flip(30),
		"a changed MAC":                             flip(60),
		"another kind put in front":                 "lmr_k2." + body,
		"another key id put in front":               "lma_k1." + body,
		"a key of the same id that is not ours":     foreign,
		"a key that is gone":                        retired,
		"a body that is cut short":                  token[:len(token)-1],
		"a body with something behind it":           token + "A",
		"padding":                                   token + "=",
		"a line end inside":                         token[:40] + "\n" + token[40:],
		"a line end in place of a character":        token[:40] + "\n" + token[41:],
		"unused bits set in the last character":     token[:len(token)-1] + string(last+1),
		"the alphabet of standard base64":           "lma_k2." + strings.Repeat("+/", 45) + "A",
		"a space in front":                          " " + token,
		"the prefix in upper case":                  "LMA_" + token[4:],
		"a string longer than any credential":       token + strings.Repeat("A", opaque.MaxLength),
		"a million bytes":                           strings.Repeat("lma_k2.", 150_000),
		"an empty key id":                           "lma_." + body,
		"a second separator":                        "lma_k2.." + body,
		"zeros of the right length without our MAC": "lma_k2." + strings.Repeat("A", len(body)),
	} {
		t.Run(name, func(t *testing.T) {
			if given == token {
				t.Fatal("the case is the good token itself")
			}
			if parsed, ok := m.Parse(opaque.Access, given); ok || parsed != (opaque.Parsed{}) {
				t.Fatalf("accepted: %+v", parsed)
			}
		})
	}
	if _, ok := m.Parse(opaque.Access, token); !ok {
		t.Fatal("the good token is refused, so the cases prove nothing")
	}
}

func TestAKeyThatIsNoLongerFirstStillVerifies(t *testing.T) {
	before := minter(t, oldKey)
	token, _ := before.Mint(opaque.Refresh, "", 1)
	after := minter(t, newKey, oldKey)
	if _, ok := after.Parse(opaque.Refresh, token); !ok {
		t.Error("a token of the previous key is refused")
	}
	if _, ok := minter(t, newKey).Parse(opaque.Refresh, token); ok {
		t.Error("a token of a removed key is accepted")
	}
	if fresh, _ := after.Mint(opaque.Refresh, "", 1); !strings.HasPrefix(fresh, "lmr_k2.") {
		t.Errorf("minted with another key than the first: %s", fresh[:7])
	}
}

func TestMintRefusesAnIDThatCouldNotBeReadBack(t *testing.T) {
	m := minter(t, newKey)
	for _, family := range []string{"short", strings.Repeat("A", 22) + "A", strings.Repeat("!", 22), strings.Repeat("A", 21) + "B"} {
		t.Run(family, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("did not panic")
				}
			}()
			m.Mint(opaque.Code, family, 0)
		})
	}
}

func TestNewMinterRefusesKeysThatProtectNothing(t *testing.T) {
	long := strings.Repeat("k", 33)
	good := bytes.Repeat([]byte{1}, 32)
	for name, keys := range map[string][]opaque.MACKey{
		"no key":                      nil,
		"a short key":                 {{ID: "k", Key: good[:31]}},
		"no key id":                   {{Key: good}},
		"a key id with a separator":   {{ID: "a.b", Key: good}},
		"a key id that is too long":   {{ID: long, Key: good}},
		"a key id that is used twice": {{ID: "k", Key: good}, {ID: "k", Key: good}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := opaque.NewMinter(keys, rand.Reader); err == nil {
				t.Fatal("accepted")
			}
		})
	}
	if _, err := opaque.NewMinter([]opaque.MACKey{newKey}, nil); err == nil {
		t.Fatal("accepted no source of randomness")
	}
	if _, err := opaque.NewMinter([]opaque.MACKey{{ID: long[1:], Key: good}}, rand.Reader); err != nil {
		t.Fatalf("refused the longest key id: %v", err)
	}
}

func TestAnIDHas128Bits(t *testing.T) {
	id := opaque.NewID(rand.Reader)
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) != 16 {
		t.Fatalf("%q: %d bytes, %v", id, len(raw), err)
	}
	if id == opaque.NewID(rand.Reader) {
		t.Fatal("two ids are equal")
	}
}

// FuzzParse looks for a string that Parse accepts although it was not minted,
// and for a panic.
func FuzzParse(f *testing.F) {
	// The fuzzing processes must agree on what was minted.
	m, err := opaque.NewMinter([]opaque.MACKey{newKey, oldKey}, mathrand.NewChaCha8([32]byte{}))
	if err != nil {
		f.Fatal(err)
	}
	minted := make(map[string]opaque.Kind)
	for _, kind := range kinds {
		token, _ := m.Mint(kind, strings.Repeat("A", 21)+"g", 3)
		minted[token] = kind
		f.Add(token)
		f.Add(token[:len(token)-1] + "A")
		f.Add(strings.Replace(token, "k2", "k1", 1))
	}
	f.Add("lma_k2." + strings.Repeat("A", 91))
	f.Fuzz(func(t *testing.T, s string) {
		for _, kind := range kinds {
			parsed, ok := m.Parse(kind, s)
			if ok && minted[s] != kind {
				t.Fatalf("accepted as %q: %q", kind, s)
			}
			if ok && parsed.Hash != opaque.HashOf(s) {
				t.Fatal("the hash is not that of the string")
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	m := minter(b, newKey)
	token, _ := m.Mint(opaque.Access, opaque.NewID(rand.Reader), 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.Parse(opaque.Access, token); !ok {
			b.Fatal("refused")
		}
	}
}
