package httpsig_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/mcpbridge/httpsig"
)

// testRequest is the request of RFC 9421 appendix B.2.
func testRequest() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://example.com/foo?param=Value&Pet=dog", strings.NewReader(`{"hello": "world"}`))
	r.Header = http.Header{
		"Date":           {"Tue, 20 Apr 2021 02:07:55 GMT"},
		"Content-Type":   {"application/json"},
		"Content-Digest": {"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"},
		"Content-Length": {"18"},
	}
	return r
}

var testCreated = time.Unix(1618884473, 0)

func b64(tb testing.TB, s string) []byte {
	tb.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// Appendix B.1.4 and B.2.6. Ed25519 is deterministic: the whole field is known.
func TestTheBaseAndSignatureAreThoseOfAppendixB26(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed(b64(t, "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"))
	r := testRequest()
	components := []string{"date", "@method", "@path", "@authority", "content-type", "content-length"}
	if got, want := httpsig.BaseOf(r, components, httpsig.Params{Created: testCreated, KeyID: "test-key-ed25519"}), strings.Join([]string{
		`"date": Tue, 20 Apr 2021 02:07:55 GMT`, `"@method": POST`, `"@path": /foo`, `"@authority": example.com`,
		`"content-type": application/json`, `"content-length": 18`,
		`"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
	}, "\n"); got != want {
		t.Errorf("base\n%s\nwant\n%s", got, want)
	}
	signature := base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(httpsig.BaseOf(r, components, httpsig.Params{Created: testCreated, KeyID: "test-key-ed25519"}))))
	if want := "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="; signature != want {
		t.Errorf("signature %s, want %s", signature, want)
	}
}

// The fields of B.2.6 as they stand on the wire.
func TestTheSignaturesOfAppendixBVerify(t *testing.T) {
	t.Parallel()
	r := testRequest()
	r.Header.Set("Signature-Input", `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`)
	r.Header.Set("Signature", `sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:`)
	s, err := httpsig.FindLabel(r.Header, "sig-b26")
	if err != nil {
		t.Fatal(err)
	}
	public := ed25519.PublicKey(b64(t, "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"))
	if err := s.Verify(r, httpsig.Ed25519, public); err != nil {
		t.Errorf("B.2.6: %v", err)
	}
	if !s.Params.Created.Equal(testCreated) || s.Params.KeyID != "test-key-ed25519" || !s.Covers("@path", "date") || s.Covers("@query") {
		t.Errorf("read as %+v", s)
	}
	r.Header.Set("Date", "Tue, 20 Apr 2021 02:07:56 GMT")
	if err := s.Verify(r, httpsig.Ed25519, public); !errors.Is(err, httpsig.ErrSignature) {
		t.Errorf("another date: %v", err)
	}

	// B.2.4 signs an answer, which this package does not; its base is given.
	point := append([]byte{4}, b64(t, "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA")...)
	curve, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(point, b64(t, "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0")...))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join([]string{
		`"@status": 200`, `"content-type": application/json`,
		`"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:`,
		`"content-length": 23`,
		`"@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"`,
	}, "\n")
	signature, err := base64.StdEncoding.DecodeString("wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==")
	if err != nil {
		t.Fatal(err)
	}
	if err := httpsig.VerifyBase(text, signature, httpsig.ECDSAP256SHA256, curve); err != nil {
		t.Errorf("B.2.4: %v", err)
	}
	if err := httpsig.VerifyBase(text+" ", signature, httpsig.ECDSAP256SHA256, curve); err == nil {
		t.Error("B.2.4: another base verifies")
	}
}

// The digests of RFC 9530 appendix D and of RFC 9421 appendix B.2.
func TestContentDigestIsThatOfTheContent(t *testing.T) {
	t.Parallel()
	const world = `{"hello": "world"}`
	tests := []struct {
		name, field, body string
		ok                bool
	}{
		{"sha-256", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", world, true},
		{"sha-256 of the text with a line end", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", world + "\n", true},
		{"sha-512", testRequest().Header.Get("Content-Digest"), world, true},
		{"both", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, " + testRequest().Header.Get("Content-Digest"), world, true},
		{"one that fits and one of another kind", "md5=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", world, true},
		{"another body", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", world + " ", false},
		{"one of two does not fit", "sha-512=:AAAA:, sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", world, false},
		{"only an unknown algorithm", "md5=:AAAA:", world, false},
		{"no byte sequence", "sha-256=X48E9", world, false},
		{"no dictionary", "???", world, false},
		{"absent", "", world, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if tt.field != "" {
				h.Set("Content-Digest", tt.field)
			}
			if err := httpsig.CheckContentDigest(h, []byte(tt.body)); (err == nil) != tt.ok || err != nil && !errors.Is(err, httpsig.ErrDigest) {
				t.Errorf("error %v", err)
			}
		})
	}
}

type pair struct {
	alg string
	key crypto.Signer
}

func pairs(tb testing.TB) []pair {
	tb.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return []pair{{httpsig.Ed25519, ed}, {httpsig.ECDSAP256SHA256, ec}}
}

var covered = []string{"@method", "@path", "@query", "content-type", "authorization"}

func signed(tb testing.TB, p pair) *http.Request {
	tb.Helper()
	r := httptest.NewRequest(http.MethodPost, "https://api.example.com/a%2Fb?q=1&r=%20", strings.NewReader("x"))
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Content-Type", "application/json")
	err := httpsig.Sign(r, "ours", covered, httpsig.Params{
		Created: testCreated, Expires: testCreated.Add(time.Minute), Nonce: "n-1", KeyID: "k-1", Alg: p.alg, Tag: "test",
	}, p.key)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestWhatIsCoveredCannotBeChanged(t *testing.T) {
	t.Parallel()
	for _, p := range pairs(t) {
		for name, change := range map[string]func(*http.Request){
			"another method":           func(r *http.Request) { r.Method = http.MethodPut },
			"another path":             func(r *http.Request) { r.URL.Path = "/c" },
			"the same path unescaped":  func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b", "" },
			"another query":            func(r *http.Request) { r.URL.RawQuery = "q=2&r=%20" },
			"the query in other order": func(r *http.Request) { r.URL.RawQuery = "r=%20&q=1" },
			"no query":                 func(r *http.Request) { r.URL.RawQuery = "" },
			"another field":            func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") },
			"a field twice":            func(r *http.Request) { r.Header.Add("Authorization", "Bearer token") },
			"a field removed":          func(r *http.Request) { r.Header.Del("Content-Type") },
			"a line smuggled into a field": func(r *http.Request) {
				r.Header.Set("Content-Type", "application/json\n\"authorization\": Bearer token")
			},
			"another expiry": func(r *http.Request) { edit(r, "expires=1618884533", "expires=1618884534") },
			"another nonce":  func(r *http.Request) { edit(r, `"n-1"`, `"n-2"`) },
			"less covered":   func(r *http.Request) { edit(r, `"@query" `, ``) },
		} {
			t.Run(p.alg+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := signed(t, p)
				s, err := httpsig.Find(r.Header, "test")
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Verify(r, p.alg, p.key.Public()); err != nil {
					t.Fatalf("as it was signed: %v", err)
				}
				change(r)
				if s, err = httpsig.Find(r.Header, "test"); err != nil {
					t.Fatal(err)
				}
				if err := s.Verify(r, p.alg, p.key.Public()); !errors.Is(err, httpsig.ErrSignature) && !errors.Is(err, httpsig.ErrComponent) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func edit(r *http.Request, from, to string) {
	old := r.Header.Get("Signature-Input")
	changed := strings.Replace(old, from, to, 1)
	if changed == old {
		panic("nothing to edit: " + from)
	}
	r.Header.Set("Signature-Input", changed)
}

func TestTheKeyDecidesAboutTheAlgorithm(t *testing.T) {
	t.Parallel()
	both := pairs(t)
	r := signed(t, both[0])
	s, err := httpsig.Find(r.Header, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{httpsig.ECDSAP256SHA256, "hmac-sha256", ""} {
		if err := s.Verify(r, alg, both[1].key.Public()); !errors.Is(err, httpsig.ErrAlgorithm) {
			t.Errorf("alg %q: %v", alg, err)
		}
	}
	if err := s.Verify(r, httpsig.Ed25519, both[1].key.Public()); err == nil {
		t.Error("a key of another kind verifies")
	}
	if err := httpsig.Sign(r, "ours", covered, httpsig.Params{Alg: "hmac-sha256"}, both[0].key); err == nil {
		t.Error("a shared secret would sign")
	}
	if err := httpsig.Sign(r, "ours", covered, httpsig.Params{Alg: httpsig.ECDSAP256SHA256}, both[0].key); err == nil {
		t.Error("a key of another kind signs")
	}
}

func TestFieldsThatAreNotWellFormedAreRefused(t *testing.T) {
	t.Parallel()
	const good, value = `a=("@method");tag="test"`, `a=:AAAA:`
	for name, tt := range map[string]struct {
		input, signature string
		want             error
	}{
		"nothing":                       {"", "", httpsig.ErrMissing},
		"a signature for somebody else": {`a=("@method");tag="other"`, value, httpsig.ErrMissing},
		"no signature":                  {good, "", httpsig.ErrMissing},
		"a signature of another label":  {good, `b=:AAAA:`, httpsig.ErrMalformed},
		"a signature that is text":      {good, `a="AAAA"`, httpsig.ErrMalformed},
		"an input that is no list":      {`a="x";tag="test"`, value, httpsig.ErrMalformed},
		"two with the tag":              {good + `, b=("@path");tag="test"`, value, httpsig.ErrMalformed},
		"a component twice":             {`a=("@method" "@method");tag="test"`, value, httpsig.ErrMalformed},
		"a component with a parameter":  {`a=("@method";req);tag="test"`, value, httpsig.ErrMalformed},
		"a component that is a number":  {`a=(1);tag="test"`, value, httpsig.ErrMalformed},
		"a time that is text":           {`a=("@method");tag="test";created="x"`, value, httpsig.ErrMalformed},
		"a nonce that is a number":      {`a=("@method");tag="test";nonce=1`, value, httpsig.ErrMalformed},
		"no dictionary":                 {`???`, value, httpsig.ErrMalformed},
		"an endless field":              {good + strings.Repeat(" ", 5000), value, httpsig.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			if tt.input != "" {
				h.Set("Signature-Input", tt.input)
			}
			if tt.signature != "" {
				h.Set("Signature", tt.signature)
			}
			if s, err := httpsig.Find(h, "test"); !errors.Is(err, tt.want) {
				t.Errorf("Find = %+v, %v; want %v", s, err, tt.want)
			}
		})
	}
}

func TestUnknownComponentsAreNotSigned(t *testing.T) {
	t.Parallel()
	p := pairs(t)[0]
	for _, name := range []string{"@status", "@target-uri", "", "Date", "x-absent"} {
		r := testRequest()
		if err := httpsig.Sign(r, "a", []string{name}, httpsig.Params{Alg: p.alg}, p.key); !errors.Is(err, httpsig.ErrComponent) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add(`a=("@method");tag="test";created=1`, `a=:AAAA:`)
	f.Add(`a=("@method" "x";sf);tag="test"`, `a=1`)
	key := ed25519.PublicKey(b64(f, "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"))
	f.Fuzz(func(t *testing.T, input, signature string) {
		r := testRequest()
		r.Header["Signature-Input"], r.Header["Signature"] = []string{input}, []string{signature}
		s, err := httpsig.Find(r.Header, "test")
		if err != nil {
			return
		}
		if err := s.Verify(r, httpsig.Ed25519, key); err == nil {
			t.Errorf("%q %q verifies", input, signature)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	for _, p := range pairs(b) {
		b.Run(p.alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				signed(b, p)
			}
		})
	}
}
