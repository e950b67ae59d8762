package oidc

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/teamlumos/mcp-edge/authz/idp"
)

const (
	// discoveryAge is how long a discovery document is used before it is read
	// again. An older one is kept while the provider does not answer.
	discoveryAge = time.Hour
	// discoveryTries are made before a sign-in is told that the provider is down.
	discoveryTries = 2
	discoveryPause = 200 * time.Millisecond
)

// metadata is the part of a discovery document (OpenID Connect Discovery 1.0
// §3) that is used.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	// IssParameter promises the iss parameter in every answer (RFC 9207 §3).
	IssParameter bool `json:"authorization_response_iss_parameter_supported"`

	keys *keySet
	read time.Time
}

// discovery holds the document that was read last.
type discovery struct {
	flight singleflight.Group
	mu     sync.Mutex
	last   *metadata
}

func (d *discovery) get() *metadata {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func (d *discovery) set(m *metadata) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = m
}

// metadata returns the provider's discovery document. Failures are not
// remembered: the next sign-in asks again.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	last := p.get()
	if p.fresh(last) {
		return last, nil
	}
	// The flight outlives the request that began it: others may wait for it.
	flight := p.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		// Who looked before another flight landed, and starts one after it.
		if landed := p.get(); p.fresh(landed) {
			return landed, nil
		}
		return p.discover(ctx)
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", idp.ErrUnavailable, ctx.Err())
	case result := <-flight:
		if result.Err != nil {
			if last != nil {
				return last, nil
			}
			return nil, result.Err
		}
		return result.Val.(*metadata), nil
	}
}

func (p *Provider) fresh(m *metadata) bool {
	return m != nil && p.cfg.Clock.Now().Sub(m.read) < discoveryAge
}

func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	address := strings.TrimSuffix(p.cfg.Issuer, "/") + "/.well-known/openid-configuration"
	var err error
	for try := range discoveryTries {
		if try > 0 {
			pause := time.NewTimer(discoveryPause)
			select {
			case <-ctx.Done():
				pause.Stop()
				return nil, err
			case <-pause.C:
			}
		}
		var m metadata
		if err = p.fetch.json(ctx, address, &m); err != nil {
			continue
		}
		if err := p.check(m); err != nil {
			return nil, err
		}
		m.read = p.cfg.Clock.Now()
		m.keys = p.keysAt(m.JWKSURI)
		p.set(&m)
		return &m, nil
	}
	return nil, fmt.Errorf("discovery: %w", err)
}

// check refuses a document that names another issuer (OpenID Connect Discovery
// 1.0 §4.3) or endpoints that are not protected by TLS.
func (p *Provider) check(m metadata) error {
	if m.Issuer != p.cfg.Issuer {
		return fmt.Errorf("%w: discovery document names another issuer than the configured %q", idp.ErrUnavailable, p.cfg.Issuer)
	}
	for name, endpoint := range map[string]string{
		"authorization_endpoint": m.AuthorizationEndpoint,
		"token_endpoint":         m.TokenEndpoint,
		"jwks_uri":               m.JWKSURI,
	} {
		u, err := url.Parse(endpoint)
		plain := err == nil && p.loopback && u.Scheme == "http" && isLoopback(u.Hostname())
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && !plain {
			return fmt.Errorf("%w: discovery document: %s is no https URL", idp.ErrUnavailable, name)
		}
	}
	return nil
}

// keysAt returns the key set at that address, the known one if it did not move.
func (p *Provider) keysAt(address string) *keySet {
	if last := p.get(); last != nil && last.keys.address == address {
		return last.keys
	}
	return &keySet{address: address, fetch: p.fetch, clock: p.cfg.Clock}
}
