package appstore

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
	"github.com/teamlumos/mcp-edge/mcpbridge/result"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/fault"
)

const (
	// lockWait is how long a submission may take to get its turn: to wait for one
	// under its idempotency key, to find out whose it is and to wait for another one
	// of the same person and app. One
	// that takes longer is worth a new call, not a longer one: all this time is
	// waited for when a configuration is replaced.
	lockWait = 10 * time.Second
	// permissionPages bounds the search for the chosen permissions.
	permissionPages = 20
	// listedPermissions is how many choices an error names.
	listedPermissions = 20
	// maxPermissions is how many a request may name, as its schema says.
	maxPermissions = 20
	// maxOptions is among how many a person is asked to choose; more are searched.
	maxOptions = 50
)

type submitView struct {
	Outcome      string      `json:"outcome"`
	AccessLength string      `json:"access_length,omitzero"`
	Request      requestView `json:"request"`
	NextStep     string      `json:"next_step"`
}

// submit is POST /appstore/access_request, after everything that can be known
// to be wrong with it was looked for. The POST is sent once: the backend knows
// no idempotency key, and a repeated one would be a second request.
func (s *Set) submit(ctx context.Context, c *call, a *submitArgs) (answer, error) {
	done := answer{target: a.AppID}
	// One submission of a person for an app at a time: between looking for an
	// open request and making one, no other call may make it.
	me, release, err := s.turn(ctx, c, a.AppID)
	if err != nil {
		return done, err
	}
	defer release()

	before, cancel := context.WithTimeout(ctx, readBudget)
	defer cancel()
	body, err := s.plan(before, c, a)
	if err != nil {
		return done, err
	}
	if !a.AllowDuplicate {
		open, err := s.openRequest(before, c, me, &body)
		if err != nil {
			return done, err
		}
		if open != nil {
			done.target, done.outcome = open.ID, fault.Deduped
			done.view = &submitView{
				Outcome: fault.Deduped, Request: viewRequest(open, me),
				NextStep: "The user already has this open request; nothing was submitted. " + stepOf(open.Status),
			}
			return done, nil
		}
	}
	made, err := s.post(ctx, c, &body)
	if err != nil {
		return done, err
	}
	done.target, done.outcome = made.ID, fault.Created
	done.view = &submitView{
		Outcome: fault.Created, AccessLength: body.AccessLength,
		Request: viewRequest(&made, me), NextStep: stepOf(made.Status),
	}
	return done, nil
}

// turn returns who the person is, once no other submission of theirs for the
// app is under way, and what ends this one's turn.
func (s *Set) turn(ctx context.Context, c *call, appID string) (me string, release func(), err error) {
	ctx, cancel := context.WithDeadline(ctx, c.came.Add(lockWait))
	defer cancel()
	me, err = s.me(ctx, c)
	if err != nil {
		return "", nil, err
	}
	// None of the parts can contain the separator: ids are path segments and a
	// domain is a name.
	release, err = s.locks.Take(ctx, "turn\x00"+c.person.Domain+"\x00"+me+"\x00"+appID)
	if err != nil {
		return "", nil, fault.New(codeBusy, "Another request of the user for this app is being submitted. Nothing was submitted by this call. Call list_access_requests in a minute.")
	}
	return me, release, nil
}

// plan returns the request that a asks for, or says what is wrong with it. It
// only reads.
func (s *Set) plan(ctx context.Context, c *call, a *submitArgs) (newRequest, error) {
	settings, err := s.settings(ctx, c, a.AppID)
	if err != nil {
		return newRequest{}, err
	}
	if settings.RedirectURL != "" {
		return newRequest{}, elsewhere(result.Link(settings.RedirectURL))
	}
	chosen, err := s.choosePermissions(ctx, c, a, &settings)
	if err != nil {
		return newRequest{}, err
	}
	offered, ok := offeredLengths(&settings, chosen)
	if !ok {
		return newRequest{}, fault.Invalid(codeLengthNotOffered, "The chosen permissions offer no access length in common. Nothing was submitted. Submit one request for each of them.")
	}
	length, err := chooseLength(offered, a.AccessLength, settings.Provisioning.DefaultLength)
	if err != nil {
		return newRequest{}, err
	}
	return newRequest{
		AppID: a.AppID, Permissions: a.PermissionIDs, Justification: a.Justification, AccessLength: length,
	}, nil
}

// elsewhere says that access is requested at address, or, if that is none that
// may be shown, by some other way.
func elsewhere(address string) *fault.Failure {
	const text = "Access to this app is not requested in the App Store. Nothing was submitted. "
	f := fault.New(codeRedirect, text+"Give the user this address: %s", address)
	if address == "" {
		f = fault.New(codeRedirect, text+"Tell the user to ask their administrator how it is.")
	}
	f.Reason, f.Outcome = reason.BackendRefused, fault.Denied
	return f
}

// choosePermissions returns the permissions that a names, after checking that
// the app lets them be named.
func (s *Set) choosePermissions(ctx context.Context, c *call, a *submitArgs, settings *wireSettings) ([]wirePermission, error) {
	selection := selectionOf(settings)
	switch {
	case selection == selectNone && len(a.PermissionIDs) > 0:
		return nil, fault.Invalid(codeNotSelectable, "This app is requested as a whole; permissions cannot be chosen. Nothing was submitted. Call again without permission_ids.")
	case selection == selectNone, selection == selectUnknown && len(a.PermissionIDs) == 0:
		return nil, nil
	case selection == selectOne && len(a.PermissionIDs) > 1:
		return nil, fault.Invalid(codeOnePermission, "This app takes one permission at a time. Nothing was submitted. Ask the user which one, or submit one request for each.")
	}
	chosen := make([]wirePermission, 0, len(a.PermissionIDs))
	for page := 1; page <= permissionPages; page++ {
		p, err := s.permissionsPage(ctx, c, a.AppID, "", page, scanSize)
		if err != nil {
			return nil, err
		}
		more := p.hasMore(page, scanSize)
		p.Items = slices.DeleteFunc(p.Items, func(q wirePermission) bool { return !q.requestable(a.AppID) })
		if len(a.PermissionIDs) == 0 {
			if len(p.Items) == 0 && more {
				continue
			}
			return nil, needPermission(p.Items, !more, selection == selectSeveral)
		}
		for _, q := range p.Items {
			known := slices.ContainsFunc(chosen, func(k wirePermission) bool { return k.ID == q.ID })
			if slices.Contains(a.PermissionIDs, q.ID) && !known {
				chosen = append(chosen, q)
			}
		}
		if len(chosen) == len(a.PermissionIDs) {
			return chosen, nil
		}
		if !more {
			break
		}
	}
	return nil, fault.Invalid(codeNotRequestable, "At least one of permission_ids cannot be requested for this app. Nothing was submitted. Take ids from list_requestable_permissions with the same app_id.")
}

// needPermission says that one of the choices must be named; nil if there is
// none, because then the app is requested alone. A preset choice is not taken
// silently: rights are named by the person who wants them. Only where these are
// all of them can the person be asked to choose.
func needPermission(choices []wirePermission, all, several bool) error {
	if len(choices) == 0 {
		return nil
	}
	labels := make([]string, 0, min(len(choices), listedPermissions))
	for i := range choices[:min(len(choices), listedPermissions)] {
		labels = append(labels, choices[i].Label+" ("+choices[i].ID+")")
	}
	f := fault.Invalid(codeNeedPermission, "A permission must be chosen for this app. Nothing was submitted. "+
		"Ask the user and call again with permission_ids; list_requestable_permissions shows all. The first ones: %s.", listed(labels))
	if all && len(choices) > 1 && len(choices) <= maxOptions {
		f.Ask = askPermission(choices, several)
	}
	return f
}

func askPermission(choices []wirePermission, several bool) *toolset.Ask {
	ask := &toolset.Ask{Argument: "permission_ids", Text: "Which permission of the app is needed?", List: true, Most: 1}
	if several {
		ask.Text, ask.Most = "Which permissions of the app are needed?", min(len(choices), maxPermissions)
	}
	for i := range choices {
		ask.Options = append(ask.Options, toolset.Option{
			Value: choices[i].ID, Title: cmp.Or(result.Line(choices[i].Label, maxLabel), choices[i].ID),
		})
	}
	return ask
}

// openRequest returns the person's open request for the same thing, or nil.
func (s *Set) openRequest(ctx context.Context, c *call, me string, body *newRequest) (*wireRequest, error) {
	found, _, err := s.scanRequests(ctx, c, me, stateOpen, func(r *wireRequest) bool {
		return stateOf(r.Status) == stateOpen && overlaps(r, body)
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// overlaps reports whether r asks for something that body asks for too: a
// common permission, or both for the app alone.
func overlaps(r *wireRequest, body *newRequest) bool {
	if r.AppID != body.AppID {
		return false
	}
	if len(r.Permissions) == 0 || len(body.Permissions) == 0 {
		return len(r.Permissions) == 0 && len(body.Permissions) == 0
	}
	return slices.ContainsFunc(r.Permissions, func(p wirePermission) bool { return slices.Contains(body.Permissions, p.ID) })
}

// findSubmitted looks for the request of a submission that was sent at a time and
// never answered: one for the same thing, made since by the person for
// themselves. Whatever became of it meanwhile, it was submitted.
func (s *Set) findSubmitted(ctx context.Context, c *call, a *submitArgs, sent time.Time) (answer, error) {
	done := answer{target: a.AppID}
	me, err := s.me(ctx, c)
	if err != nil {
		return done, err
	}
	found, _, err := s.scanRequests(ctx, c, me, stateAll, func(r *wireRequest) bool {
		return r.AppID == a.AppID && madeSince(r, sent) && r.isBy(me) && samePermissions(r, a.PermissionIDs) && saysOrNothing(r, a.Justification)
	})
	if err != nil {
		return done, err
	}
	if len(found) == 0 {
		return done, errNotFound
	}
	r := &found[0]
	done.target, done.outcome = r.ID, fault.Created
	done.view = &submitView{
		Outcome: fault.Created, Request: viewRequest(r, me),
		NextStep: "An earlier call submitted this request; its answer was lost. Nothing was sent by this call. " + stepOf(r.Status),
	}
	return done, nil
}

func madeSince(r *wireRequest, sent time.Time) bool {
	made, err := time.Parse(time.RFC3339, result.Time(r.RequestedAt))
	return err == nil && !made.Before(sent.Add(-clockSkew))
}

func samePermissions(r *wireRequest, ids []string) bool {
	if len(r.Permissions) != len(ids) {
		return false
	}
	return !slices.ContainsFunc(r.Permissions, func(p wirePermission) bool { return !slices.Contains(ids, p.ID) })
}

// saysOrNothing reports whether the request has the justification, where the
// backend shows one: as the note on its first status.
func saysOrNothing(r *wireRequest, justification string) bool {
	note := strings.TrimSpace(r.Notes[statusPending])
	return note == "" || note == strings.TrimSpace(justification)
}

// post makes the request. Its path is singular and its answer an array, of
// which the first element is the request.
func (s *Set) post(ctx context.Context, c *call, body *newRequest) (wireRequest, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return wireRequest{}, &backend.Error{Kind: backend.Internal, Cause: err}
	}
	r := c.request(http.MethodPost, needCreate, "appstore", "access_request")
	r.Body = raw
	got, err := s.send(ctx, c, r)
	if err != nil {
		return wireRequest{}, err
	}
	var made []wireRequest
	if err := backend.Decode(got, &made, true); err != nil {
		return wireRequest{}, err
	}
	// An answer that cannot be read, or is not about this request, does not say
	// that nothing was made.
	if len(made) == 0 || made[0].ID == "" || made[0].AppID != body.AppID {
		return wireRequest{}, &backend.Error{Kind: backend.BadAnswer, OutcomeUnknown: true, Cause: errors.New("answer names no request for the app")}
	}
	return made[0], nil
}
