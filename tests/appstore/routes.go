package appstore

import (
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

// Route is an endpoint: its method and path pattern.
type Route string

// The endpoints.
const (
	RouteCurrentUser     Route = "GET /users/current"
	RouteListApps        Route = "GET /appstore/apps"
	RouteGetApp          Route = "GET /appstore/apps/{id}"
	RouteGetSettings     Route = "GET /appstore/apps/{id}/settings"
	RouteListPermissions Route = "GET /appstore/requestable_permissions"
	RouteCreateRequest   Route = "POST /appstore/access_request"
	RouteListRequests    Route = "GET /appstore/access_requests"
	RouteGetRequest      Route = "GET /appstore/access_requests/{id}"
	RouteCancelRequest   Route = "DELETE /appstore/access_requests/{id}"
	RouteInfo            Route = "GET /info"
)

// What a token must cover. A read that a write has to make first is covered by
// the write's scope too, since a person may have consented to that one alone.
var (
	viewApps     = Need{"appstore:read", "appstore.apps.view"}
	viewRequests = Need{"appstore:read", "appstore.requests.view"}
	create       = Need{"appstore:request", "appstore.requests.create"}
	cancel       = Need{"appstore:request", "appstore.requests.cancel"}
)

// maxBody bounds a request body, in bytes.
const maxBody = 1 << 20

// call is a verified call on its way to a handler.
type call struct {
	request *http.Request
	body    []byte
	person  Person
	now     time.Time
}

func (c *call) query() *query { return &query{values: c.request.URL.Query()} }

// routes returns the handler of all endpoints. The rest answers as the real
// backend's framework does.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	paths := make(map[string]bool)
	add := func(route Route, act func(*call) answer, needs ...Need) {
		mux.HandleFunc(string(route), func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, route, act, needs) })
		_, pattern, _ := strings.Cut(string(route), " ")
		paths[pattern] = true
	}
	add(RouteCurrentUser, s.currentUser)
	add(RouteListApps, s.listApps, viewApps)
	add(RouteGetApp, s.getApp, viewApps, create)
	add(RouteGetSettings, s.getSettings, viewApps, create)
	add(RouteListPermissions, s.listPermissions, viewApps, create)
	add(RouteCreateRequest, s.createRequest, create)
	add(RouteListRequests, s.listRequests, viewRequests, create, cancel)
	add(RouteGetRequest, s.getRequest, viewRequests, create, cancel)
	add(RouteCancelRequest, s.cancelRequest, cancel)
	add(RouteInfo, s.info)
	for pattern := range paths {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.reject(w, r, refusal(http.StatusMethodNotAllowed, "Method Not Allowed"))
		})
	}
	notFound := func(w http.ResponseWriter, r *http.Request) {
		s.reject(w, r, refusal(http.StatusNotFound, "Not Found"))
	}
	mux.HandleFunc("/", notFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.calls.countPOST()
		}
		if s.faults.Down.Load() {
			s.reject(w, r, refusal(http.StatusServiceUnavailable, "Service Unavailable"))
			return
		}
		// A path with dot segments or double slashes is no endpoint; the
		// multiplexer would redirect it to one.
		if escaped := r.URL.EscapedPath(); path.Clean(escaped) != escaped {
			notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serve is the way of every call: read, verify, act, report, answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, route Route, act func(*call) answer, needs []Need) {
	record := s.arrived(r)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.finish(w, record, refusal(http.StatusRequestEntityTooLarge, "Request body too large"))
		return
	}
	record.BodyBytes = len(body)
	c := &call{request: r, body: body, now: record.At}
	if route != RouteInfo {
		if c.person, err = s.verify(c, &record, needs); err != nil {
			record.Refusal = err.Error()
			s.finish(w, record, refusal(http.StatusUnauthorized, err.Error()))
			return
		}
		if c.person.Status != StatusActive && route != RouteCurrentUser {
			record.Refusal = "the person is " + c.person.Status
			s.finish(w, record, refusal(http.StatusForbidden, "This user is not active."))
			return
		}
	}
	fault := s.faults.take(route)
	if fault.Status != 0 {
		forced := answer{status: fault.Status, header: fault.Header}
		if fault.Body != "" {
			forced.body = rawBody(fault.Body)
		}
		s.report(record, forced.status)
		s.holdBack(r, fault)
		forced.write(w)
		return
	}
	result := act(c)
	if fault.Drop {
		s.report(record, 0)
		s.holdBack(r, fault)
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	s.report(record, result.status)
	s.holdBack(r, fault)
	result.write(w)
}

// verify returns the person as whom the call runs.
func (s *Server) verify(c *call, record *Request, needs []Need) (Person, error) {
	claims, err := s.verifier.Verify(c.request, c.body)
	if err != nil {
		return Person{}, err
	}
	record.describe(claims)
	if err := claims.Cover(needs...); err != nil {
		return Person{}, err
	}
	return s.people.identify(claims)
}

// arrived starts the record of a call.
func (s *Server) arrived(r *http.Request) Request {
	header := r.Header.Clone()
	header.Del("Authorization")
	return Request{At: s.clock.Now(), Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: header}
}

// reject answers a call that reached no endpoint.
func (s *Server) reject(w http.ResponseWriter, r *http.Request, a answer) {
	s.finish(w, s.arrived(r), a)
}

func (s *Server) finish(w http.ResponseWriter, record Request, a answer) {
	s.report(record, a.status)
	a.write(w)
}

// report keeps the record and tells the listener, before the answer leaves, so
// that who has the answer finds the record.
func (s *Server) report(record Request, status int) {
	record.Status = status
	s.calls.add(record)
	if s.onRequest != nil {
		s.onRequest(record)
	}
}

// holdBack waits as the fault says, at most until the caller or the server is
// gone.
func (s *Server) holdBack(r *http.Request, f Fault) {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		case <-s.closing:
		}
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-r.Context().Done():
		case <-s.closing:
		}
	}
}
