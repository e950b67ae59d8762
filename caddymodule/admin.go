package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/teamlumos/mcp-edge/authz/oauth"
	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/httpx"
)

func init() { caddy.RegisterModule(Admin{}) }

// Admin adds the routes of operators to Caddy's admin endpoint. Whoever reaches
// that endpoint may replace the whole configuration; who does is seen to by its
// socket, its checks of host and origin, or the keys of a remote one.
//
//	GET    /mcp_edge/clients?after=ID&limit=N    the clients, in the order of their ids
//	DELETE /mcp_edge/clients/ID                  end one with its grants
//	DELETE /mcp_edge/clients/ID?grants=only      end its grants and keep it
//	DELETE /mcp_edge/people/DOMAIN/WHO           end everything of a person, by e-mail address or id
//	GET    /mcp_edge/rejections?limit=N          what was refused because nothing allows it
//	DELETE /mcp_edge/rejections/ID               take one off that list
//	GET    /mcp_edge/explain?user=EMAIL&client=ID&tool=NAME&resource=URL
//	                                             what a call would meet, and why
//
// A domain or an id is one segment of the path, so the slashes of a URL are escaped. It has
// no state: the configuration in service is asked for at each request.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.mcp_edge",
		New: func() caddy.Module { return new(Admin) },
	}
}

const (
	adminClients    = "/mcp_edge/clients"
	adminPeople     = "/mcp_edge/people"
	adminRejections = "/mcp_edge/rejections"
	adminExplain    = "/mcp_edge/explain"

	defaultPage = 100
	maxPage     = 1000
	// adminRetry is when to ask again while nothing is in service.
	adminRetry = 2 * time.Second
)

// Routes implements caddy.AdminRouter.
func (Admin) Routes() []caddy.AdminRoute {
	route := func(pattern, method string, params []string, answer adminAnswer) caddy.AdminRoute {
		return caddy.AdminRoute{Pattern: pattern, Handler: adminRoute{pattern, method, params, answer}}
	}
	return []caddy.AdminRoute{
		route(adminClients, http.MethodGet, []string{"after", "limit"}, listClients),
		route(adminClients+"/", http.MethodDelete, []string{"grants"}, endClient),
		route(adminPeople+"/", http.MethodDelete, nil, signOut),
		route(adminRejections, http.MethodGet, []string{"limit"}, listRejections),
		route(adminRejections+"/", http.MethodDelete, nil, dismissRejection),
		route(adminExplain, http.MethodGet, []string{"user", "client", "tool", "resource"}, explain),
	}
}

// adminRequest is a request that was read.
type adminRequest struct {
	app    *App
	run    *running
	domain string // the segment before id, or ""
	id     string // the last segment behind the pattern, or ""
	url.Values
}

// adminAnswer decides and acts; what it returns is the answer.
type adminAnswer func(context.Context, *operator.Service, adminRequest) (any, error)

// adminRoute answers one method at one path.
type adminRoute struct {
	pattern, method string
	params          []string
	answer          adminAnswer
}

// ServeHTTP implements caddy.AdminHandler: parse strictly, find what is in
// service, act, answer.
func (a adminRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	req, err := a.read(w, r)
	if err != nil {
		return err
	}
	answer, err := a.inService(r.Context(), r, req)
	if err != nil {
		fault := adminFault(err)
		if fault.HTTPStatus == http.StatusServiceUnavailable {
			oauth.SetRetryAfter(w.Header(), adminRetry)
		}
		return fault
	}
	oauth.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// read reads the request; the error is a caddy.APIError.
func (a adminRoute) read(w http.ResponseWriter, r *http.Request) (adminRequest, error) {
	if r.Method != a.method {
		w.Header().Set("Allow", a.method)
		return adminRequest{}, adminError(http.StatusMethodNotAllowed, "the method is "+a.method)
	}
	if r.ContentLength != 0 {
		return adminRequest{}, adminError(http.StatusBadRequest, "the request has no body")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return adminRequest{}, adminError(http.StatusBadRequest, "the query cannot be read")
	}
	for name, values := range query {
		if !slices.Contains(a.params, name) || len(values) != 1 {
			return adminRequest{}, adminError(http.StatusBadRequest, "the query may hold, once each: "+orNone(a.params))
		}
	}
	req := adminRequest{Values: query}
	if strings.HasSuffix(a.pattern, "/") {
		rest := strings.TrimPrefix(r.URL.EscapedPath(), a.pattern)
		if a.pattern == adminPeople+"/" {
			var domain string
			domain, rest, _ = strings.Cut(rest, "/")
			if req.domain, err = segment(domain); err != nil {
				return adminRequest{}, adminError(http.StatusBadRequest, "the path ends with a domain and an e-mail address or id, whose slashes are written %2F")
			}
		}
		if req.id, err = segment(rest); err != nil {
			return adminRequest{}, adminError(http.StatusBadRequest, "the path ends with an id, whose slashes are written %2F")
		}
	}
	return req, nil
}

// segment reads one segment of an escaped path.
func segment(escaped string) (string, error) {
	text, err := url.PathUnescape(escaped)
	if err != nil || text == "" || len(text) > oauth.MaxRedirectURI || strings.Contains(escaped, "/") {
		return "", errBadPath
	}
	return text, nil
}

// inService runs the answer on the configuration that serves requests, of which
// nothing is closed meanwhile.
func (a adminRoute) inService(ctx context.Context, r *http.Request, req adminRequest) (any, error) {
	module, err := caddy.ActiveContext().AppIfConfigured(appName)
	if err != nil {
		return nil, errNoAppRuns
	}
	app, ok := module.(*App)
	if !ok || !app.flights.enter() {
		return nil, errNotReady
	}
	defer app.flights.leave()
	run, err := app.await(ctx)
	if err != nil {
		return nil, err
	}
	if ip, _, err := net.SplitHostPort(r.RemoteAddr); err == nil { // a socket has none
		ctx = httpx.WithClientIP(ctx, ip)
	}
	req.app, req.run = app, run
	return a.answer(ctx, run.operator, req)
}

var (
	errNoAppRuns = errors.New("the configuration in service has no app mcp_edge: nothing is there to be seen or changed")
	errBadQuery  = errors.New("bad query")
	errBadPath   = errors.New("bad path")
)

// adminFault says what an error means to an operator.
func adminFault(err error) caddy.APIError {
	switch {
	case errors.Is(err, errBadQuery):
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	case errors.Is(err, store.ErrNotFound):
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err, Message: "there is none with that id"}
	case errors.Is(err, errNoAppRuns):
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
	case errors.Is(err, operator.ErrNotAudited):
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "the audit trail cannot be written, so it is not acknowledged"}
	}
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "the gateway cannot answer right now, try again"}
}

func adminError(status int, text string) caddy.APIError {
	return caddy.APIError{HTTPStatus: status, Err: errors.New(text)}
}

// limit reads the size of a page.
func (r adminRequest) limit() (int, error) {
	if !r.Has("limit") {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(r.Get("limit"))
	if err != nil || n < 1 || n > maxPage || strconv.Itoa(n) != r.Get("limit") {
		return 0, fmt.Errorf("%w: limit is a number from 1 to %d", errBadQuery, maxPage)
	}
	return n, nil
}

func listClients(ctx context.Context, service *operator.Service, r adminRequest) (any, error) {
	limit, err := r.limit()
	if err != nil {
		return nil, err
	}
	page, more, err := service.Clients(ctx, r.Get("after"), limit)
	if err != nil {
		return nil, err
	}
	answer := clientPage{Clients: make([]clientRow, 0, len(page))}
	for _, c := range page {
		answer.Clients = append(answer.Clients, newClientRow(c))
	}
	if more {
		answer.Next = page[len(page)-1].ID
	}
	return answer, nil
}

func endClient(ctx context.Context, service *operator.Service, r adminRequest) (any, error) {
	if r.Has("grants") && r.Get("grants") != "only" {
		return nil, fmt.Errorf("%w: grants is only, or is left out", errBadQuery)
	}
	n, err := service.EndClient(ctx, r.id, !r.Has("grants"))
	return ended{Grants: n, Removed: !r.Has("grants")}, err
}

func signOut(ctx context.Context, service *operator.Service, r adminRequest) (any, error) {
	done, err := service.SignOut(ctx, r.domain, r.id)
	return signedOut{People: done.People, Grants: done.Grants}, err
}

func listRejections(ctx context.Context, service *operator.Service, r adminRequest) (any, error) {
	limit, err := r.limit()
	if err != nil {
		return nil, err
	}
	kept, err := service.Rejections(ctx, limit)
	if err != nil {
		return nil, err
	}
	answer := rejectionList{Rejections: make([]rejectionRow, 0, len(kept))}
	for _, j := range kept {
		answer.Rejections = append(answer.Rejections, r.app.newRejectionRow(j))
	}
	return answer, nil
}

func dismissRejection(ctx context.Context, service *operator.Service, r adminRequest) (any, error) {
	return json.RawMessage(`{"dismissed":true}`), service.Dismiss(ctx, r.id)
}

// Interface guards.
var (
	_ caddy.AdminRouter  = Admin{}
	_ caddy.AdminHandler = adminRoute{}
)
