// Package robot is a person with a browser, for tests: it follows redirects,
// signs in at the identity provider, and answers the consent page.
//
// Owns: walking HTML forms with a cookie jar.
// Does not own: what the pages mean; it fills the fields that a person would
// fill and presses the button that it was told to press.
package robot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// maxSteps bounds a walk; the real one takes fewer than ten.
const maxSteps = 25

// Person is who the robot is.
type Person struct {
	Email    string
	Password string
}

// Robot is one browser. It keeps cookies between walks.
type Robot struct {
	Person Person
	// Decision is the value of the button to press on a page that offers
	// several: "approve" or "deny".
	Decision string
	// OnPage, when set, sees every page before it is answered.
	OnPage func(*Page)

	client *http.Client
}

// Page is what a browser would show.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
	Forms  []Form
	// Next is where the page goes by itself (meta refresh), or "".
	Next string
}

// Form is one HTML form.
type Form struct {
	Method  string
	Action  *url.URL
	Fields  url.Values        // hidden and prefilled inputs
	Inputs  []string          // names of inputs that a person fills
	Buttons map[string]string // value of a named submit button → its name
}

// ErrStuck says that a page offered no way on; the message has its text.
var ErrStuck = errors.New("the page offers no way on")

// New returns a browser that trusts what transport trusts.
func New(transport http.RoundTripper, person Person) *Robot {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // documented never to happen without options
	}
	return &Robot{
		Person: person, Decision: "approve",
		client: &http.Client{
			Transport: transport, Jar: jar,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Authorize walks from an authorization URL to the client's redirect URI and
// returns that address with its code or error; it is not fetched.
func (b *Robot) Authorize(ctx context.Context, authorizationURL string) (*url.URL, error) {
	start, err := url.Parse(authorizationURL)
	if err != nil {
		return nil, err
	}
	target := start.Query().Get("redirect_uri")
	if target == "" {
		return nil, errors.New("the authorization URL has no redirect_uri")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return nil, err
	}
	for range maxSteps {
		page, next, err := b.fetch(req)
		if err != nil {
			return nil, err
		}
		if next == nil {
			if b.OnPage != nil {
				b.OnPage(page)
			}
			if next, err = b.answer(ctx, page); err != nil {
				return nil, err
			}
		}
		if next.Method == http.MethodGet && leadsTo(next.URL, target) {
			return next.URL, nil
		}
		req = next
	}
	return nil, errors.New("the walk does not end")
}

// Get fetches one page without answering it, following redirects.
func (b *Robot) Get(ctx context.Context, address string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	for range maxSteps {
		page, next, err := b.fetch(req)
		if err != nil || next == nil {
			return page, err
		}
		req = next
	}
	return nil, errors.New("the redirects do not end")
}

// Submit sends a form as it stands, with changes.
func (b *Robot) Submit(ctx context.Context, f Form, changes url.Values) (*Page, error) {
	req, err := f.request(ctx, changes)
	if err != nil {
		return nil, err
	}
	page, _, err := b.fetch(req)
	return page, err
}

// fetch sends req; a redirect becomes the next request, anything else a page.
func (b *Robot) fetch(req *http.Request) (*Page, *http.Request, error) {
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	if location := resp.Header.Get("Location"); location != "" && resp.StatusCode/100 == 3 {
		to, err := req.URL.Parse(location)
		if err != nil {
			return nil, nil, err
		}
		next, err := http.NewRequestWithContext(req.Context(), http.MethodGet, to.String(), nil)
		return nil, next, err
	}
	return NewPage(req.URL, resp.StatusCode, resp.Header, string(body)), nil, nil
}

// answer does what a person would do on the page.
func (b *Robot) answer(ctx context.Context, page *Page) (*http.Request, error) {
	if page.Next != "" {
		to, err := page.URL.Parse(page.Next)
		if err != nil {
			return nil, err
		}
		return http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	}
	for _, f := range page.Forms {
		filled := url.Values{}
		for _, name := range f.Inputs {
			switch name {
			case "email":
				filled.Set(name, b.Person.Email)
			case "password":
				filled.Set(name, b.Person.Password)
			}
		}
		if button, ok := f.Buttons[b.Decision]; ok {
			filled.Set(button, b.Decision)
		} else if len(f.Inputs) == 0 {
			continue // "not you?" and the like
		}
		if page.Status/100 == 2 {
			return f.request(ctx, filled)
		}
	}
	return nil, fmt.Errorf("%w: %s answered %d: %s", ErrStuck, page.URL.Redacted(), page.Status, page.Text())
}

func (f Form) request(ctx context.Context, changes url.Values) (*http.Request, error) {
	values := url.Values{}
	for name, v := range f.Fields {
		values[name] = v
	}
	for name, v := range changes {
		values[name] = v
	}
	if f.Method == http.MethodGet {
		to := *f.Action
		to.RawQuery = values.Encode()
		return http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.Action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", f.Action.Scheme+"://"+f.Action.Host)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return req, nil
}

// leadsTo says whether u is the redirect URI with parameters added.
func leadsTo(u *url.URL, redirectURI string) bool {
	to, err := url.Parse(redirectURI)
	return err == nil && u.Scheme == to.Scheme && u.Host == to.Host && u.Path == to.Path
}

// Text returns the words of the page, for error messages.
func (p *Page) Text() string {
	doc, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return ""
	}
	var words []string
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// Says looks for words as a person reads them: an address that is shown in
// several elements is one text.
func (p *Page) Says(words string) bool {
	return strings.Contains(strings.ReplaceAll(p.Text(), " ", ""), strings.ReplaceAll(words, " ", ""))
}

// NewPage returns an answer that was fetched elsewhere as a page.
func NewPage(address *url.URL, status int, header http.Header, body string) *Page {
	page := &Page{URL: address, Status: status, Header: header, Body: body}
	page.read()
	return page
}

// read finds the forms and the meta refresh of a page.
func (p *Page) read() {
	doc, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "form":
			p.Forms = append(p.Forms, p.readForm(n))
		case "meta":
			if strings.EqualFold(attr(n, "http-equiv"), "refresh") {
				_, target, _ := strings.Cut(attr(n, "content"), "=")
				p.Next = strings.Trim(strings.TrimSpace(target), `'"`)
			}
		}
	}
}

func (p *Page) readForm(form *html.Node) Form {
	f := Form{Method: strings.ToUpper(attr(form, "method")), Fields: url.Values{}, Buttons: map[string]string{}, Action: p.URL}
	if f.Method == "" {
		f.Method = http.MethodGet
	}
	if action := attr(form, "action"); action != "" {
		if to, err := p.URL.Parse(action); err == nil {
			f.Action = to
		}
	}
	for n := range form.Descendants() {
		if n.Type != html.ElementNode || attr(n, "name") == "" {
			continue
		}
		name, value := attr(n, "name"), attr(n, "value")
		switch {
		case n.Data == "button", n.Data == "input" && attr(n, "type") == "submit":
			f.Buttons[value] = name
		case n.Data == "input" && attr(n, "type") == "hidden":
			f.Fields.Add(name, value)
		case n.Data == "input":
			f.Inputs = append(f.Inputs, name)
			if value != "" {
				f.Fields.Set(name, value)
			}
		}
	}
	return f
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
