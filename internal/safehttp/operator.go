package safehttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// ForOperator returns a client for a service that an operator named, such as an
// identity provider, each exchange of which may take timeout. The hosts named are
// reached wherever they are, in a private network too. Every other host, which
// only the service's own documents name (its key set, its token endpoint), must
// be public and is asked at port 443, as by a Fetcher. A proxy that the process's
// environment sets (HTTPS_PROXY) is used, and then decides about addresses in our
// place. The client follows no redirect: the address that was judged is the one
// that answers.
func ForOperator(timeout time.Duration, hosts ...string) *http.Client {
	return forOperator(http.ProxyFromEnvironment, timeout, hosts...)
}

func forOperator(proxy func(*http.Request) (*url.URL, error), timeout time.Duration, hosts ...string) *http.Client {
	o := &operator{proxyFor: proxy, free: &net.Dialer{Timeout: timeout}}
	o.guarded = &net.Dialer{Timeout: timeout, Control: newGuard(Config{}).control}
	for _, host := range hosts {
		o.named = append(o.named, canonicalHost(host))
	}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy: o.proxy, DialContext: o.dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: timeout, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
			MaxResponseHeaderBytes: maxHeaders, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// operator dials for a service that an operator named.
type operator struct {
	proxyFor      func(*http.Request) (*url.URL, error)
	named         []string
	free, guarded *net.Dialer
	proxies       sync.Map // hosts of proxies in use
}

func (o *operator) proxy(r *http.Request) (*url.URL, error) {
	p, err := o.proxyFor(r)
	if p != nil {
		o.proxies.Store(canonicalHost(p.Hostname()), true)
	}
	return p, err
}

func (o *operator) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	host = canonicalHost(host)
	if _, isProxy := o.proxies.Load(host); isProxy || slices.Contains(o.named, host) {
		return o.free.DialContext(ctx, network, address)
	}
	return o.guarded.DialContext(ctx, network, address)
}
