package web

import (
	"cmp"
	"html/template"
	"net/http"

	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// SignIn is the page that asks for a work e-mail address.
type SignIn struct {
	Transaction string // id of the pending authorization
	CSRF        string // its form token
	Assistant   string // who asked for the sign-in
	Email       string // as typed before
	// NotFound says that nobody can sign in with Email here. It is the same for
	// domains that are unknown and for those that are off.
	NotFound bool
}

// SignIn answers with the sign-in page.
func (p *Pages) SignIn(w http.ResponseWriter, r *http.Request, v SignIn) {
	v.Assistant = Clean(v.Assistant, maxName)
	v.Email = Clean(v.Email, maxLine)
	status := http.StatusOK
	if v.NotFound {
		status = http.StatusBadRequest
	}
	p.render(w, r, status, "signin", "Sign in", v)
}

// ToProvider answers a form with a page that goes on to an identity provider at
// target. A redirect would be subject to form-action of the sign-in page, which
// browsers apply to every redirect after a form.
func (p *Pages) ToProvider(w http.ResponseWriter, r *http.Request, target string) {
	p.render(w, r, http.StatusOK, "provider", "Sign in", struct {
		Address address
		Target  string
	}{splitAddress(target), target})
}

// RoleAllows says how much of a scope a person's role allows now.
type RoleAllows int

// The zero value is the careful one.
const (
	RoleAllowsNothing RoleAllows = iota
	RoleAllowsPart
	RoleAllowsAll
)

// ConsentScope is one line of what an assistant asks for.
type ConsentScope struct {
	Title string
	Role  RoleAllows
}

// Part says that the role allows some of the scope.
func (s ConsentScope) Part() bool { return s.Role == RoleAllowsPart }

// None says that the role allows nothing of the scope.
func (s ConsentScope) None() bool { return s.Role == RoleAllowsNothing }

// Consent is the page on which a person approves or denies.
type Consent struct {
	Request     string // id of the approval
	CSRF        string // one-time form token
	Assistant   string
	Verified    bool   // the redirect address belongs to the known assistant Profile
	Profile     string // display name of the host profile; shown when Verified
	RedirectURI string
	Loopback    bool
	Account     string // e-mail address of the person
	Resource    string // display name of what the assistant wants to reach
	ResourceURL string
	Asks        []ConsentScope
	DoesNotAsk  []string // titles of the resource's other scopes
	// RememberedFor says for how long an approval stands; "" when it does not.
	RememberedFor string
	// ManageURL is where a person sees and revokes connected assistants; "" when
	// there is no such page.
	ManageURL string
}

type consentView struct {
	Consent
	Address address
}

// Consent answers with the consent page.
func (p *Pages) Consent(w http.ResponseWriter, r *http.Request, v Consent) {
	v.Assistant = cleanOr(v.Assistant, "An assistant without a name")
	v.Profile = Clean(v.Profile, maxName)
	v.Account = Clean(v.Account, maxLine)
	v.Resource = cleanOr(v.Resource, v.ResourceURL)
	v.ResourceURL = Clean(v.ResourceURL, maxAddress)
	p.render(w, r, http.StatusOK, "consent", "Allow "+v.Assistant+"?", consentView{Consent: v, Address: splitAddress(v.RedirectURI)})
}

// Leaving is the page after an answer: it takes the browser to the client.
type Leaving struct {
	Assistant string
	Approved  bool
	// Remembered says that the person approved the same before and was not asked.
	Remembered bool
	Loopback   bool
	// Target is the client's redirect URI with the parameters of the answer. It
	// must be built on a registered redirect URI: what is registered has passed
	// oauth.ParseRedirectURI, which refuses schemes that run code.
	Target string
}

type leavingView struct {
	Leaving
	Address address
	URL     template.URL
}

// Leaving answers 200 with a page that navigates itself, without a script and
// with a link beside it. A redirect would be subject to form-action of the page
// whose form was sent.
func (p *Pages) Leaving(w http.ResponseWriter, r *http.Request, v Leaving) {
	v.Assistant = cleanOr(v.Assistant, "the assistant")
	title := "Access denied"
	if v.Approved {
		title = "Access approved"
	}
	p.render(w, r, http.StatusOK, "leaving", title, leavingView{
		Leaving: v, Address: splitAddress(v.Target),
		URL: template.URL(v.Target), //nolint:gosec // see Leaving.Target
	})
}

// SignOut answers with the page that asks whether to sign out; account is "" when
// nobody is signed in.
func (p *Pages) SignOut(w http.ResponseWriter, r *http.Request, account string) {
	p.render(w, r, http.StatusOK, "signout", "Sign out", Clean(account, maxLine))
}

// SignedOut answers with the page after signing out.
func (p *Pages) SignedOut(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, "signedout", "Signed out", nil)
}

// Fact is one named list of values that an error page shows.
type Fact struct {
	Name   string
	Values []string
}

// Fault is an error page: what happened, which layer refused, what to do.
type Fault struct {
	Status int
	Title  string
	What   string
	Todo   string
	Reason reason.Reason
	Facts  []Fact
	Retry  string // a path of ours to try again at; "" = none
	// Account is set when somebody is signed in: the page then offers to sign out.
	Account string
	// Err, when not nil, is the cause for the log; it is never shown.
	Err error
}

// layerNames tell a person who refused.
var layerNames = map[string]string{
	reason.LayerClient:   "the assistant",
	reason.LayerDomain:   "your organization's setup here",
	reason.LayerUser:     "your account",
	reason.LayerGrant:    "this gateway",
	reason.LayerResource: "the service that was asked for",
	reason.LayerScope:    "the access that was asked for",
	reason.LayerRole:     "your role",
	reason.LayerLimit:    "a limit",
	reason.LayerBackend:  "the service behind this gateway",
}

// nearerNames do so where the name of the layer would point at somebody else.
var nearerNames = map[reason.Reason]string{
	reason.UserDenied:          "you, or your company's identity provider",
	reason.UserSignInFailed:    "the sign-in",
	reason.BackendIDPBadAnswer: "your company's identity provider",
}

type faultView struct {
	Fault
	Layer string // who refused; "" where nobody did
}

// Fault answers with an error page. Its cause goes to the log.
func (p *Pages) Fault(w http.ResponseWriter, r *http.Request, v Fault) {
	if v.Status >= http.StatusInternalServerError {
		w.Header().Set("Retry-After", "1")
	}
	if v.Err != nil { // no query: it may hold codes
		p.log.WarnContext(r.Context(), v.Title, "path", r.URL.Path, "reason", string(v.Reason),
			"request_id", httpx.RequestID(r.Context()), "error", v.Err)
	}
	facts := make([]Fact, 0, len(v.Facts))
	for _, f := range v.Facts {
		clean := Fact{Name: f.Name}
		for _, value := range f.Values[:min(len(f.Values), 20)] {
			clean.Values = append(clean.Values, Clean(value, maxAddress))
		}
		facts = append(facts, clean)
	}
	v.Facts = facts
	v.What, v.Todo = Clean(v.What, 2*maxLine), Clean(v.Todo, 2*maxLine)
	v.Account = Clean(v.Account, maxLine)
	view := faultView{Fault: v}
	if v.Status < http.StatusInternalServerError { // a fault of ours refuses nobody
		view.Layer = cmp.Or(nearerNames[v.Reason], layerNames[v.Reason.Layer()])
	}
	p.render(w, r, v.Status, "fault", v.Title, view)
}

func cleanOr(s, otherwise string) string {
	if s = Clean(s, maxName); s == "" {
		return otherwise
	}
	return s
}
