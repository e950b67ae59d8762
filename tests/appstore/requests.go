package appstore

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// accessRequest is a request that was made. Only the last two members change,
// under the lock of the store.
type accessRequest struct {
	id          string
	app         *app
	requester   *Person // nil: made by the system
	target      Person
	reason      string
	length      time.Duration // 0: permanent
	permissions []permissionJSON
	made        time.Time

	final        string // a state that no longer moves; empty: the clock decides
	cancelReason string
}

// requestStore keeps the requests in the order in which they were made.
type requestStore struct {
	mu       sync.RWMutex
	requests []*accessRequest
}

func (s *requestStore) add(r *accessRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
}

// filter returns copies of the requests that keep wants, oldest first.
func (s *requestStore) filter(keep func(*accessRequest) bool) []accessRequest {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []accessRequest
	for _, r := range s.requests {
		if keep(r) {
			found = append(found, *r)
		}
	}
	return found
}

// cancel cancels the request with that id where allowed agrees, in one step.
func (s *requestStore) cancel(id, reason string, allowed func(accessRequest) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.id == id && allowed(*r) {
			r.final, r.cancelReason = stateCancelled, reason
			return true
		}
	}
	return false
}

// seedRequests makes the requests that were there before: for each person one
// that the system made and that is completed, for AppInstructions, and for each
// organisation two new ones of a colleague. A caller who forgets to filter sees the colleague's.
func (s *Server) seedRequests(people []Person) {
	now := s.clock.Now()
	wiki, source := s.catalog.byID[AppInstructions], s.catalog.byID[AppVisible]
	var domains []string
	for _, p := range people {
		s.requests.add(&accessRequest{
			id: uuidOf("seed", p.ID), app: wiki, target: p, made: now.Add(-90 * 24 * time.Hour), final: stateCompleted,
		})
		if !slices.Contains(domains, p.DomainID) {
			domains = append(domains, p.DomainID)
		}
	}
	for _, domain := range domains {
		ines := colleague(domain)
		for i, a := range []*app{source, s.catalog.byID[AppDirect]} {
			s.requests.add(&accessRequest{
				id: uuidOf("seed", ines.ID, a.wire.ID), app: a, requester: &ines, target: ines,
				reason: "For the quarterly review", made: now.Add(time.Duration(-i) * time.Second),
			})
		}
	}
}

// listRequests answers with a page of the organisation's requests, not only of
// the caller's, as the interface description says.
func (s *Server) listRequests(c *call) answer {
	q := c.query()
	paging := q.paging()
	states := q.oneOf("statuses", allStates)
	if len(q.errors) > 0 {
		return invalid(q.errors...)
	}
	target, requester, user := q.text("target_user_id"), q.text("requester_user_id"), q.text("user_id")
	found := s.requests.filter(func(r *accessRequest) bool {
		requestedBy := ""
		if r.requester != nil {
			requestedBy = r.requester.ID
		}
		state, _, _ := r.state(c.now, s.interval)
		return r.target.DomainID == c.person.DomainID &&
			(target == "" || r.target.ID == target) &&
			(requester == "" || requestedBy == requester) &&
			(user == "" || r.target.ID == user || requestedBy == user) &&
			(len(states) == 0 || slices.Contains(states, state))
	})
	slices.SortStableFunc(found, func(a, b accessRequest) int { return a.made.Compare(b.made) })
	if strings.EqualFold(q.text("sort"), "desc") {
		slices.Reverse(found)
	}
	part := cut(found, paging)
	items := make([]accessRequestJSON, 0, len(part.Items))
	for _, r := range part.Items {
		items = append(items, s.wire(r, c, q.values["expand"]))
	}
	return ok(page[accessRequestJSON]{Items: items, Total: part.Total, Page: part.Page, Size: part.Size, Pages: part.Pages})
}

// getRequest answers with one request of the organisation.
func (s *Server) getRequest(c *call) answer {
	r, found := s.findRequest(c)
	if !found {
		return refusal(http.StatusNotFound, "Access request not found")
	}
	return ok(s.wire(r, c, c.query().values["expand"]))
}

// cancelRequest cancels an open request of the caller.
func (s *Server) cancelRequest(c *call) answer {
	r, found := s.findRequest(c)
	if !found {
		return refusal(http.StatusNotFound, "Access request not found")
	}
	if r.target.ID != c.person.ID && (r.requester == nil || r.requester.ID != c.person.ID) {
		return refusal(http.StatusForbidden, "Only the requester or the target may cancel this request.")
	}
	done := s.requests.cancel(r.id, c.query().text("reason"), func(r accessRequest) bool {
		state, _, _ := r.state(c.now, s.interval)
		return isOpen(state)
	})
	if !done {
		return refusal(http.StatusConflict, "This request is no longer open.")
	}
	return answer{status: http.StatusNoContent}
}

// findRequest returns the request that the path names.
func (s *Server) findRequest(c *call) (accessRequest, bool) {
	id := c.request.PathValue("id")
	found := s.requests.filter(func(r *accessRequest) bool {
		return r.id == id && r.target.DomainID == c.person.DomainID
	})
	if len(found) == 0 {
		return accessRequest{}, false
	}
	return found[0], true
}

// wire returns the request as the interface shows it at the time of the call.
func (s *Server) wire(r accessRequest, c *call, expand []string) accessRequestJSON {
	state, ends, known := r.state(c.now, s.interval)
	w := accessRequestJSON{
		ID: r.id, AppID: r.app.wire.ID, AppName: r.app.wire.UserFriendlyLabel,
		TargetUser: r.target.wire(), Status: state, Notes: map[string]string{},
		RequestablePermissions: r.permissions, RequestedAt: formatTime(r.made),
	}
	if r.requester != nil {
		w.RequesterUser = new(r.requester.wire())
	}
	if r.reason != "" {
		w.Notes[statePending] = r.reason
	}
	if r.cancelReason != "" {
		w.Notes[stateCancelled] = r.cancelReason
	}
	if r.length > 0 {
		w.ExpirationInSeconds = new(int(r.length / time.Second))
	}
	if known {
		w.ExpiresAt = new(formatTime(ends))
	}
	if slices.Contains(expand, "tasks") {
		w.Tasks = []taskJSON{r.task(state, c.now)}
	}
	if slices.Contains(expand, "custom_fields") {
		w.CustomFields = []intakeAnswerJSON{}
	}
	return w
}

// task is the approval that the request waits for or has had.
func (r accessRequest) task(state string, now time.Time) taskJSON {
	status := "COMPLETED"
	if isOpen(state) {
		status = "PENDING"
	}
	return taskJSON{
		ID: uuidOf("task", r.id), TaskType: "ACCESS_REQUEST_APPROVAL", TaskCategory: "APPROVAL", Status: status,
		Description: "Approve access to " + r.app.wire.UserFriendlyLabel, ProductArea: "APPSTORE",
		CreatedAt: formatTime(r.made), UpdatedAt: formatTime(now), AccessRequestID: r.id,
	}
}

// newRequestID returns a random id.
func newRequestID() string { return uuidOf("request", rand.Text()) }
