package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// errAnswerTooLarge stops reverse_proxy from reading on. The bridge itself
// finds out that the answer is longer than it takes.
var errAnswerTooLarge = errors.New("the backend's answer is too large")

// errAnswerBroken says that the backend's answer ended early.
var errAnswerBroken = fmt.Errorf("the backend's answer broke off: %w", io.ErrUnexpectedEOF)

// upstream sends requests of the bridge through Caddy's reverse_proxy, which
// brings load balancing, health checks and connection pools.
//
// The proxied request is one of its own: nothing of the assistant's request is
// in it but what the bridge put there.
type upstream struct {
	proxy *reverseproxy.Handler
	// limit is the largest answer that is kept, in bytes; a longer one is cut.
	limit int64
}

// omitted are headers that reverse_proxy would add. A nil entry tells it not to.
var omitted = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}

// RoundTrip implements http.RoundTripper. The context of req is the one of the
// request that is being served, or derived from it.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := &recorder{limit: u.limit, header: make(http.Header)}
	if err := u.serve(rec, innerRequest(req, rec)); err != nil {
		return nil, transportError(req.Context(), err)
	}
	if !rec.complete() {
		return nil, transportError(req.Context(), errAnswerBroken)
	}
	return rec.response(req), nil
}

// serve turns the panic by which reverse_proxy breaks off an answer into an error.
func (u *upstream) serve(rec *recorder, req *http.Request) (err error) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p != http.ErrAbortHandler: //nolint:errorlint // the identity is what net/http compares too
			panic(p)
		case rec.overflow: // what is there is more than the bridge takes
		default:
			err = errAnswerBroken
		}
	}()
	return u.proxy.ServeHTTP(rec, req, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return errors.New("reverse_proxy passed the request on")
	}))
}

// innerRequest gives the request what a handler of Caddy relies on: a server, a
// replacer and variables of its own.
func innerRequest(req *http.Request, w http.ResponseWriter) *http.Request {
	ctx := req.Context()
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		server = new(caddyhttp.Server)
	}
	inner := req.WithContext(ctx)
	inner.Header = req.Header.Clone()
	for _, name := range omitted {
		inner.Header[name] = nil
	}
	inner.RequestURI = inner.URL.RequestURI()
	if inner.Host == "" {
		inner.Host = inner.URL.Host
	}
	inner.Proto, inner.ProtoMajor, inner.ProtoMinor = "HTTP/1.1", 1, 1
	if original, ok := ctx.Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		inner.RemoteAddr = original.RemoteAddr // for load balancing by address
	}
	clientIP := caddyhttp.GetVar(ctx, caddyhttp.ClientIPVarKey)
	inner = caddyhttp.PrepareRequest(inner, caddy.NewReplacer(), w, server)
	prepared := inner.Context()
	caddyhttp.SetVar(prepared, caddyhttp.TrustedProxyVarKey, false) //nolint:contextcheck // the context of the inner request derives from ctx
	if clientIP != nil {
		caddyhttp.SetVar(prepared, caddyhttp.ClientIPVarKey, clientIP) //nolint:contextcheck // as above
	}
	return inner
}

// transportError returns the error in the terms of net/http: whether a request
// was sent decides what may be said about the outcome of a write.
func transportError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("reaching the backend: %w: %w", cause, err)
	}
	var handlerError caddyhttp.HandlerError
	isHandlerError := errors.As(err, &handlerError)
	var dial reverseproxy.DialError
	switch {
	case errors.As(err, &dial), isHandlerError && errors.As(handlerError.Err, &dial),
		isHandlerError && handlerError.StatusCode == http.StatusServiceUnavailable: // no upstream is available
		return &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	return err
}

// recorder keeps an answer in memory, up to a limit.
type recorder struct {
	limit    int64
	header   http.Header
	status   int
	body     bytes.Buffer
	overflow bool
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter. Interim answers are dropped.
func (r *recorder) WriteHeader(status int) {
	if r.status != 0 || status < http.StatusOK {
		return
	}
	r.status = status
	if length, err := strconv.ParseInt(r.header.Get("Content-Length"), 10, 64); err == nil && length > 0 && length <= r.limit {
		r.body.Grow(int(length))
	}
}

// Write implements http.ResponseWriter. Its error makes the proxy stop reading.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if room := r.limit - int64(r.body.Len()); int64(len(p)) > room {
		r.overflow = true
		n, _ := r.body.Write(p[:room])
		return n, errAnswerTooLarge
	}
	return r.body.Write(p)
}

// complete says whether the backend gave an answer: reverse_proxy returns no
// error, but status 499, for a request that was cancelled.
func (r *recorder) complete() bool { return r.status != 0 && r.status != statusClientClosed }

// statusClientClosed is what reverse_proxy writes when the request was cancelled.
const statusClientClosed = 499

func (r *recorder) response(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: r.status, Status: http.StatusText(r.status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, Body: io.NopCloser(bytes.NewReader(r.body.Bytes())), ContentLength: int64(r.body.Len()),
		Request: req,
	}
}

// Interface guards.
var (
	_ http.RoundTripper   = (*upstream)(nil)
	_ http.ResponseWriter = (*recorder)(nil)
)
