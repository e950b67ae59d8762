package backend

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/teamlumos/mcp-edge/internal/clock"
)

// Defaults of Config.
const (
	DefaultReadDeadline  = 10 * time.Second
	DefaultWriteDeadline = 30 * time.Second // customers' hooks may hold a write for 15 s each
	DefaultMaxAnswer     = 2 << 20
)

// Config is what a Client needs.
type Config struct {
	// Base is the backend's public origin, the audience of the assertions:
	// scheme and host, nothing else. Required.
	Base *url.URL
	// Transport carries requests to the backend, wherever it is, and verifies
	// it. It must not repeat a write that may have arrived, and before it repeats a
	// read it must Renew it. Required.
	Transport http.RoundTripper
	// Credential makes each request one of a person's. Required.
	Credential Credential
	Clock      clock.Clock // for dates in Retry-After; default clock.System
	// Version is the product's, for User-Agent; default "dev".
	Version string
	// ReadDeadline and WriteDeadline bound one exchange including the answer's
	// body; defaults DefaultReadDeadline and DefaultWriteDeadline.
	ReadDeadline, WriteDeadline time.Duration
	// MaxAnswer bounds an answer's body in bytes; default DefaultMaxAnswer.
	MaxAnswer int64
}

// Client sends requests to one backend. It is safe for concurrent use.
type Client struct {
	cfg       Config
	userAgent []string
}

// New returns a Client, or an error if a required field is missing or Base is
// more or less than an origin.
func New(cfg Config) (*Client, error) {
	if cfg.Base == nil || cfg.Transport == nil || cfg.Credential == nil {
		return nil, errors.New("backend: base, transport and credential are required")
	}
	b := *cfg.Base
	if b.Scheme != "https" && b.Scheme != "http" || b.Host == "" || b.User != nil ||
		b.Path != "" && b.Path != "/" || b.RawQuery != "" || b.Fragment != "" {
		return nil, fmt.Errorf("backend: base %q is not an http or https origin", b.Redacted())
	}
	cfg.Base = &url.URL{Scheme: b.Scheme, Host: b.Host}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Version == "" {
		cfg.Version = "dev"
	}
	if cfg.ReadDeadline <= 0 {
		cfg.ReadDeadline = DefaultReadDeadline
	}
	if cfg.WriteDeadline <= 0 {
		cfg.WriteDeadline = DefaultWriteDeadline
	}
	if cfg.MaxAnswer <= 0 {
		cfg.MaxAnswer = DefaultMaxAnswer
	}
	return &Client{cfg: cfg, userAgent: []string{"mcp-edge/" + cfg.Version}}, nil
}

// Do sends r once and returns the body of a 2xx answer, which is JSON, or nil
// if it has none. Every error is an *Error. A write is never sent a second time;
// whether it took effect when it failed is Error.OutcomeUnknown.
func (c *Client) Do(ctx context.Context, r *Request) ([]byte, error) {
	a, err := c.Exchange(ctx, r)
	return a.Body, err
}

// Answer is an answer that reports success.
type Answer struct {
	Status int    // 200 to 299
	Body   []byte // JSON, or nil if it has none
}

// Exchange is Do for callers to whom it matters how the backend reports success.
func (c *Client) Exchange(ctx context.Context, r *Request) (Answer, error) {
	deadline := c.cfg.ReadDeadline
	if r.write() {
		deadline = c.cfg.WriteDeadline
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if !r.write() {
		ctx = context.WithValue(ctx, renewalKey{}, &renewal{c.cfg.Credential, r})
	}
	out, err := c.build(ctx, r)
	if err != nil {
		return Answer{}, &Error{Kind: Internal, Cause: err}
	}
	// RoundTrip and not http.Client: redirects are answers, not instructions,
	// and there are no cookies.
	answer, err := c.cfg.Transport.RoundTrip(out)
	if err != nil {
		return Answer{}, exchangeError(ctx, err, r.write() && maySent(err))
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := c.read(ctx, r, answer)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: answer.StatusCode, Body: body}, nil
}

// build returns the HTTP request for r with its credential.
func (c *Client) build(ctx context.Context, r *Request) (*http.Request, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	query, err := r.query()
	if err != nil {
		return nil, err
	}
	out := (&http.Request{
		Method: r.Method,
		URL:    &url.URL{Scheme: c.cfg.Base.Scheme, Host: c.cfg.Base.Host, Path: path, RawQuery: query},
		Host:   c.cfg.Base.Host,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, 6),
	}).WithContext(ctx)
	out.Header["Accept"] = acceptJSON
	out.Header["User-Agent"] = c.userAgent
	for _, p := range r.Header {
		out.Header[http.CanonicalHeaderKey(p.Name)] = []string{p.Value}
	}
	if len(r.Body) > 0 {
		out.Header["Content-Type"] = contentJSON
		// GetBody stays nil: a transport that wanted to send a write again
		// could not.
		out.Body = io.NopCloser(bytes.NewReader(r.Body))
		out.ContentLength = int64(len(r.Body))
	}
	if validToken(r.Person.TXN) {
		out.Header["X-Request-Id"] = []string{r.Person.TXN}
	}
	if err := c.cfg.Credential.Apply(ctx, out, r); err != nil {
		return nil, err
	}
	return out, nil
}

var (
	acceptJSON  = []string{"application/json"}
	contentJSON = []string{"application/json"}
)

// exchangeError names the failure of an exchange that gave no whole answer.
func exchangeError(ctx context.Context, err error, unknown bool) *Error {
	kind := Unavailable
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		kind = Canceled
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		kind = Timeout
	}
	return &Error{Kind: kind, OutcomeUnknown: unknown, Cause: err}
}

// maySent reports whether a request that failed with err may have reached the
// backend. Only a failure to connect proves that it did not.
func maySent(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	return !errors.As(err, &dns) && !errors.As(err, &untrusted)
}
