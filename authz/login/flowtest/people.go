package flowtest

import (
	"context"
	"errors"
	"net/url"
	"sync"

	"github.com/teamlumos/mcp-edge/authz/authorize"
	"github.com/teamlumos/mcp-edge/authz/idp"
)

// IdP is an identity provider that signs in whom it is told to.
type IdP struct {
	// Host is in front of its authorization endpoint's path.
	Host string

	mu       sync.Mutex
	err      error
	requests []idp.Request
	pending  map[string]grant // by code
}

type grant struct {
	identity        idp.Identity
	nonce, verifier string
}

// Fail makes every call answer err; nil ends that.
func (p *IdP) Fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// Requests returns what was asked so far.
func (p *IdP) Requests() []idp.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]idp.Request(nil), p.requests...)
}

// Last returns the request that was made last.
func (p *IdP) Last() idp.Request {
	all := p.Requests()
	if len(all) == 0 {
		return idp.Request{}
	}
	return all[len(all)-1]
}

// Grant returns a code by which the last request's person is who.
func (p *IdP) Grant(who idp.Identity) (code string) {
	last := p.Last()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = map[string]grant{}
	}
	code = "code for " + last.State
	p.pending[code] = grant{who, last.Nonce, last.Verifier}
	return code
}

// AuthURL implements idp.Provider.
func (p *IdP) AuthURL(_ context.Context, req idp.Request) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	p.requests = append(p.requests, req)
	return p.Host + "/authorize?state=" + url.QueryEscape(req.State), nil
}

// Exchange implements idp.Provider.
func (p *IdP) Exchange(_ context.Context, resp idp.Response) (idp.Identity, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return idp.Identity{}, p.err
	}
	if resp.Error != "" {
		return idp.Identity{}, idp.ErrDenied
	}
	g, ok := p.pending[resp.Code]
	if !ok || g.nonce != resp.Nonce || g.verifier != resp.Verifier {
		return idp.Identity{}, idp.ErrInvalid
	}
	delete(p.pending, resp.Code)
	return g.identity, nil
}

// Ann is a person of acme.com.
func Ann() idp.Identity {
	return idp.Identity{
		Issuer: "https://idp.acme.com", Subject: "ann", Email: "ann@acme.com", Name: "Ann", EmailVerified: true,
		Groups: []string{"staff"},
	}
}

// Bob is another person of acme.com, an administrator.
func Bob() idp.Identity {
	bob := Ann()
	bob.Subject, bob.Email, bob.Name, bob.Groups = "bob", "bob@acme.com", "Bob", []string{"admins"}
	return bob
}

// Directory is a backend's directory. It knows everybody as active until it is
// told otherwise.
type Directory struct {
	mu     sync.Mutex
	people map[string]authorize.Entry
	err    error
	during func()
	asked  []authorize.Person
}

// During makes every lookup run f before it answers.
func (d *Directory) During(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.during = f
}

// Set says what is known about the person with that address.
func (d *Directory) Set(email string, e authorize.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.people[email] = e
}

// Fail makes every lookup answer err; nil ends that.
func (d *Directory) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// Asked returns whom it was asked about.
func (d *Directory) Asked() []authorize.Person {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]authorize.Person(nil), d.asked...)
}

// ErrDown is a fault of a directory.
var ErrDown = errors.New("directory down")

// Lookup implements authorize.Directory.
func (d *Directory) Lookup(_ context.Context, _ string, who authorize.Person) (authorize.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, who)
	if d.during != nil {
		d.during()
	}
	if d.err != nil {
		return authorize.Entry{}, d.err
	}
	if e, ok := d.people[who.Email]; ok {
		return e, nil
	}
	return authorize.Entry{ID: "backend-" + who.Email, Active: true}, nil
}
