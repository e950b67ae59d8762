package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a fetch unless the configuration sets others.
const (
	// DefaultTimeout is how long a fetch may take from the name look-up to the
	// last byte.
	DefaultTimeout = 3 * time.Second
	// DefaultMaxBytes is the longest answer, in bytes.
	DefaultMaxBytes = 64 << 10
	// DefaultConcurrent is how many fetches run at one time.
	DefaultConcurrent = 16
)

const (
	maxURL     = 2 << 10 // bytes
	maxHeaders = 32 << 10
	userAgent  = "mcp-edge"
)

// Config configures a Fetcher. The zero value fetches public addresses only.
type Config struct {
	// Allow lists addresses that are admitted although they are not public or not
	// at port 443; port 0 stands for any port. For services that an operator put
	// into a private network, and for tests. Never fill it from a URL.
	Allow []netip.AddrPort
	// Deny lists further addresses that are never admitted, such as the public
	// side of an address translation in front of this machine.
	Deny []netip.Prefix
	// OwnHosts are our own public host names, without port. We do not fetch from
	// ourselves: a request that makes us send one to us can be made to loop.
	OwnHosts []string
	// RootCAs verify servers. Default: the system's.
	RootCAs *x509.CertPool
	// Resolver looks names up. Default: the system's.
	Resolver *net.Resolver
	// Timeout bounds a fetch as a whole, waiting for its turn included. Default
	// DefaultTimeout.
	Timeout time.Duration
	// MaxBytes bounds the body of an answer. Default DefaultMaxBytes.
	MaxBytes int64
	// Concurrent bounds how many fetches run at one time. Default
	// DefaultConcurrent.
	Concurrent int
}

// Answer is a JSON text that was fetched.
type Answer struct {
	// Body is at most Config.MaxBytes long. That it is JSON is only claimed.
	Body []byte
	// Header is what the server chose; of use are those about caching.
	Header http.Header
}

// Fetcher reads JSON texts from public addresses. It is safe for concurrent
// use, keeps no connection open and starts nothing that outlives a call.
type Fetcher struct {
	client   *http.Client
	maxBytes int64
	timeout  time.Duration
	ports    []string
	ownHosts []string
	turns    chan struct{}
}

// New returns a Fetcher.
func New(cfg Config) (*Fetcher, error) {
	if cfg.Timeout < 0 || cfg.MaxBytes < 0 || cfg.Concurrent < 0 {
		return nil, errors.New("fetcher: time, size and concurrency must not be negative")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = DefaultConcurrent
	}
	f := &Fetcher{maxBytes: cfg.MaxBytes, timeout: cfg.Timeout, turns: make(chan struct{}, cfg.Concurrent), ports: []string{strconv.Itoa(httpsPort)}}
	for _, a := range cfg.Allow {
		if !a.Addr().IsValid() {
			return nil, errors.New("fetcher: an allowed address is not valid")
		}
		f.ports = append(f.ports, strconv.Itoa(int(a.Port())))
	}
	for _, host := range cfg.OwnHosts {
		f.ownHosts = append(f.ownHosts, canonicalHost(host))
	}
	f.client = &http.Client{
		Transport: newTransport(cfg),
		// The address that was judged is the one that answers.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f, nil
}

func newTransport(cfg Config) *http.Transport {
	dialer := &net.Dialer{Timeout: cfg.Timeout, Control: newGuard(cfg).control, Resolver: cfg.Resolver}
	return &http.Transport{
		Proxy:           nil, // a proxy would dial for us, and past the guard
		DialContext:     dialer.DialContext,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		// One exchange per connection: nothing is left open, and a connection is
		// never used for another name than it was checked for.
		DisableKeepAlives: true,
		// No compression, so that an answer is never longer than what was sent.
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
	}
}

// Get fetches the JSON text at address. Errors are *Error and one of the kinds
// of this package; ErrUnavailable also when ctx ended.
func (f *Fetcher) Get(ctx context.Context, address string) (*Answer, error) {
	if err := f.checkURL(address); err != nil {
		return nil, &Error{Kind: ErrURL, Detail: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	select {
	case f.turns <- struct{}{}:
		defer func() { <-f.turns }()
	case <-ctx.Done():
		return nil, &Error{Kind: ErrUnavailable, Detail: "too many fetches at one time: " + ctx.Err().Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, &Error{Kind: ErrURL, Detail: err.Error()}
	}
	req.Header = http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"identity"}, "User-Agent": {userAgent}}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, &Error{Kind: ErrUnavailable, Detail: err.Error()}
	}
	defer resp.Body.Close()
	a, err := f.read(resp)
	// A server that ends its answer when it sees us leave can make an answer that
	// took too long look like a whole one.
	if ctx.Err() != nil {
		return nil, &Error{Kind: ErrUnavailable, Detail: ctx.Err().Error()}
	}
	return a, err
}

// read judges the head of an answer before it reads any of the body.
func (f *Fetcher) read(resp *http.Response) (*Answer, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, &Error{Kind: ErrStatus, Detail: fmt.Sprintf("status %d", resp.StatusCode)}
	}
	if contentType := resp.Header.Values("Content-Type"); len(contentType) != 1 || !isJSON(contentType[0]) {
		return nil, &Error{Kind: ErrType, Detail: fmt.Sprintf("content type %.100q", contentType)}
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, &Error{Kind: ErrType, Detail: fmt.Sprintf("content encoding %.100q", encoding)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, f.maxBytes+1))
	if err != nil {
		return nil, &Error{Kind: ErrUnavailable, Detail: err.Error()}
	}
	// A cut text is never taken for a whole one.
	if int64(len(body)) > f.maxBytes {
		return nil, &Error{Kind: ErrTooLarge, Detail: fmt.Sprintf("more than %d bytes", f.maxBytes)}
	}
	return &Answer{Body: body, Header: resp.Header}, nil
}

// checkURL refuses by form alone, before any name is looked up. The guard has
// the last word on addresses; this saves it the rest.
func (f *Fetcher) checkURL(address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("longer than %d bytes", maxURL)
	}
	// Letters that are mapped to others on the way to a name would be a second
	// spelling of it.
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("characters that are not visible ASCII")
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not a URL")
	}
	switch {
	case u.Scheme != "https":
		return errors.New("not https")
	case u.User != nil:
		return errors.New("user information")
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("no host")
	case u.Fragment != "" || strings.Contains(address, "#"):
		return errors.New("a fragment")
	case slices.Contains(f.ownHosts, canonicalHost(u.Hostname())):
		return errors.New("our own host")
	case u.Port() != "" && !slices.Contains(f.ports, u.Port()) && !slices.Contains(f.ports, "0"):
		return errors.New("a port that is not 443")
	}
	return nil
}

// canonicalHost makes two spellings of one name equal.
func canonicalHost(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// isJSON admits application/json and application/<anything>+json (RFC 6839 §3.1).
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	subtype, ok := strings.CutPrefix(media, "application/")
	return ok && (subtype == "json" || strings.HasSuffix(subtype, "+json") && subtype != "+json")
}
