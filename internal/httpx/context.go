// Package httpx carries what the outermost layer knows about a request to the
// packages that need it.
//
// Owns: the client address and the request id in a context, and the list of
// inbound headers that may never be believed.
// Does not own: how they are determined; the outermost layer does, from the
// connection and from configured trusted proxies only.
// Trust: a context without values comes from a test or a background task.
package httpx

import "context"

type contextKey int

const (
	clientIPKey contextKey = iota
	requestIDKey
)

// WithClientIP returns a context that knows the client's address.
func WithClientIP(ctx context.Context, ip string) context.Context {
	return context.WithValue(ctx, clientIPKey, ip)
}

// ClientIP returns the client's address without port, or "".
func ClientIP(ctx context.Context) string {
	ip, _ := ctx.Value(clientIPKey).(string)
	return ip
}

// WithRequestID returns a context that knows the request's id, by which audit
// events, log lines and error pages of one request are found together.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey, id)
}

// RequestID returns the request's id, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}
