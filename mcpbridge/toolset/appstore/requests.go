package appstore

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

const (
	requestsPerPage = 25
	// scanSize and scanPages bound a search through a person's requests.
	scanSize  = 100 // the most that the backend takes
	scanPages = 5
)

type listRequestsView struct {
	Requests   []requestView `json:"requests"`
	Page       int           `json:"page"`
	HasMore    bool          `json:"has_more"`
	Incomplete bool          `json:"incomplete,omitzero"`
	NextStep   string        `json:"next_step"`
}

// listRequests is GET /appstore/access_requests for the person who calls.
func (s *Set) listRequests(ctx context.Context, c *call, a *listRequestsArgs) (answer, error) {
	done := answer{target: a.AppID}
	me, err := s.me(ctx, c)
	if err != nil {
		return done, err
	}
	state, page := cmp.Or(a.State, stateOpen), cmp.Or(a.Page, 1)
	v := listRequestsView{Page: page}
	var found []wireRequest
	if a.AppID == "" {
		p, err := s.requestsPage(ctx, c, me, state, page, requestsPerPage)
		if err != nil {
			return done, err
		}
		v.HasMore = p.hasMore(page, requestsPerPage)
		found = mine(p.Items, me)
		found = found[:min(len(found), requestsPerPage)]
	} else {
		// The backend cannot filter by app: pages are made here.
		all, complete, err := s.scanRequests(ctx, c, me, state, func(r *wireRequest) bool { return r.AppID == a.AppID })
		if err != nil {
			return done, err
		}
		from := min((page-1)*requestsPerPage, len(all))
		to := min(from+requestsPerPage, len(all))
		found, v.HasMore, v.Incomplete = all[from:to], to < len(all), !complete
	}
	v.Requests = make([]requestView, 0, len(found))
	for i := range found {
		v.Requests = append(v.Requests, viewRequest(&found[i], me))
	}
	v.NextStep = listStep(&v, state)
	done.view = &v
	return done, nil
}

func listStep(v *listRequestsView, state string) string {
	switch {
	case len(v.Requests) == 0 && (v.Page > 1 || v.HasMore):
		return emptyPage(v.Page, v.HasMore)
	case len(v.Requests) == 0 && state == stateAll:
		return "The user has no such access requests."
	case len(v.Requests) == 0:
		return "The user has no such access requests in this state. Use state all to see every request."
	case v.HasMore:
		return "More requests: page " + strconv.Itoa(v.Page+1) + "."
	}
	return "Call get_access_request with an id for details."
}

// scanRequests returns the person's requests in a state that match, the newest
// first. complete is false if there were too many to look at all of them.
func (s *Set) scanRequests(ctx context.Context, c *call, me, state string, match func(*wireRequest) bool) (found []wireRequest, complete bool, err error) {
	for page := 1; page <= scanPages; page++ {
		p, err := s.requestsPage(ctx, c, me, state, page, scanSize)
		if err != nil {
			return nil, false, err
		}
		more := p.hasMore(page, scanSize)
		for _, r := range mine(p.Items, me) {
			if match(&r) {
				found = append(found, r)
			}
		}
		if !more {
			return found, true, nil
		}
	}
	return found, false, nil
}

type getRequestView struct {
	Request  requestView `json:"request"`
	NextStep string      `json:"next_step"`
}

// getRequest is GET /appstore/access_requests/{id}.
func (s *Set) getRequest(ctx context.Context, c *call, a *getRequestArgs) (answer, error) {
	done := answer{target: a.RequestID}
	expand := []string{"custom_fields"}
	if a.IncludeTasks {
		expand = append(expand, "tasks")
	}
	r, me, err := s.ownRequest(ctx, c, a.RequestID, expand...)
	if err != nil {
		return done, err
	}
	done.view = &getRequestView{Request: viewRequest(&r, me), NextStep: stepOf(r.Status)}
	return done, nil
}

// ownRequest reads one request of the person's. Somebody else's is answered
// like one that does not exist, so that ids cannot be probed.
func (s *Set) ownRequest(ctx context.Context, c *call, id string, expand ...string) (r wireRequest, me string, err error) {
	me, err = s.me(ctx, c)
	if err != nil {
		return r, "", err
	}
	req := c.request(http.MethodGet, needRequests, "appstore", "access_requests", id)
	for _, field := range expand {
		req.Query = append(req.Query, backend.Param{Name: "expand", Value: field})
	}
	r, err = get[wireRequest](ctx, s, req)
	if err != nil {
		return r, "", err
	}
	if r.ID != id {
		return r, "", &backend.Error{Kind: backend.BadAnswer, Cause: errors.New("answer is about another request")}
	}
	if !r.isOf(me) {
		return r, "", &backend.Error{Kind: backend.NotFound, Status: http.StatusNotFound}
	}
	return r, me, nil
}

type cancelView struct {
	Outcome  string      `json:"outcome"`
	Request  requestView `json:"request"`
	NextStep string      `json:"next_step"`
}

// cancelRequest is DELETE /appstore/access_requests/{id} for an open request of
// the person's.
func (s *Set) cancelRequest(ctx context.Context, c *call, a *cancelArgs) (answer, error) {
	done := answer{target: a.RequestID}
	before, cancel := context.WithTimeout(ctx, readBudget)
	defer cancel()
	r, me, err := s.ownRequest(before, c, a.RequestID)
	if err != nil {
		return done, err
	}
	if r.Status == statusCancelled {
		done.outcome = fault.Deduped
		done.view = &cancelView{Outcome: fault.Deduped, Request: viewRequest(&r, me), NextStep: "It was cancelled before. Nothing more to do."}
		return done, nil
	}
	if state := stateOf(r.Status); state != stateOpen {
		f := fault.Invalid(codeRequestNotOpen, "Only an open request can be cancelled; this one is %s. %s", state, fault.SayTellUser)
		f.Reason = reason.BackendRefused
		return done, f
	}
	del := c.request(http.MethodDelete, needCancel, "appstore", "access_requests", a.RequestID)
	if a.Reason != "" {
		del.Query = append(del.Query, backend.Param{Name: "reason", Value: a.Reason})
	}
	if _, err := s.send(ctx, c, del); err != nil {
		return done, err
	}
	// The backend confirms without a body: what it was told is what it is now.
	r.Status = statusCancelled
	done.outcome = fault.Updated
	done.view = &cancelView{Outcome: fault.Updated, Request: viewRequest(&r, me), NextStep: "The request is cancelled. Tell the user."}
	return done, nil
}

// findCancelled looks whether a cancellation that was sent and never answered
// took effect.
func (s *Set) findCancelled(ctx context.Context, c *call, a *cancelArgs, _ time.Time) (answer, error) {
	done := answer{target: a.RequestID}
	r, me, err := s.ownRequest(ctx, c, a.RequestID)
	if err != nil {
		return done, err
	}
	if r.Status != statusCancelled {
		return done, errNotFound
	}
	done.outcome = fault.Updated
	done.view = &cancelView{
		Outcome: fault.Updated, Request: viewRequest(&r, me),
		NextStep: "The request is cancelled; the answer to the call that did it was lost. Tell the user.",
	}
	return done, nil
}
