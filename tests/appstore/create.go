package appstore

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// lengths are the access lengths that have an end. "Unlimited" has none.
var lengths = map[string]time.Duration{
	"2 hours": 2 * time.Hour, "4 hours": 4 * time.Hour, "8 hours": 8 * time.Hour, "12 hours": 12 * time.Hour,
	"1 day": 24 * time.Hour, "2 days": 48 * time.Hour, "3 days": 72 * time.Hour, "7 days": 168 * time.Hour,
	"14 days": 336 * time.Hour, "30 days": 720 * time.Hour, "90 days": 2160 * time.Hour,
}

const unlimited = "Unlimited"

// createInput is the body of POST /appstore/access_request. Other members are
// ignored, as the real backend ignores them.
type createInput struct {
	AppID                    *string   `json:"app_id"`
	RequesterUserID          *string   `json:"requester_user_id"`
	TargetUserID             *string   `json:"target_user_id"`
	Note                     *string   `json:"note"` // the old name of the justification
	BusinessJustification    *string   `json:"business_justification"`
	ExpirationInSeconds      *int      `json:"expiration_in_seconds"`
	AccessLength             *string   `json:"access_length"`
	RequestablePermissionIDs *[]string `json:"requestable_permission_ids"`
}

// createRequest makes an access request. It has no idempotency: a repeated call
// makes a second request. The answer is an array.
func (s *Server) createRequest(c *call) answer {
	input, bad := decodeCreate(c)
	if bad != nil {
		return *bad
	}
	target, bad := s.targetOf(input, c.person)
	if bad != nil {
		return *bad
	}
	a, found := s.visibleApp(*input.AppID)
	if !found {
		return refusal(http.StatusNotFound, "App not found")
	}
	if a.settings.RedirectURL != nil {
		return unprocessable("Access to this app is requested elsewhere.")
	}
	if a.settings.RequestFlow.AllowedGroups.Type != "ALL_GROUPS" {
		return refusal(http.StatusForbidden, "You are not in a group that may request this app.")
	}
	permissions, bad := s.choose(a, input)
	if bad != nil {
		return *bad
	}
	length, bad := chooseLength(a, permissions, input)
	if bad != nil {
		return *bad
	}
	r := &accessRequest{
		id: newRequestID(), app: a, requester: &c.person, target: target,
		length: length, permissions: permissions, made: c.now,
	}
	if text := firstOf(input.BusinessJustification, input.Note); text != nil {
		r.reason = *text
	}
	s.requests.add(r)
	return answer{status: http.StatusCreated, body: []accessRequestJSON{s.wire(*r, c, nil)}}
}

// decodeCreate reads the body and checks the types of its members.
func decodeCreate(c *call) (createInput, *answer) {
	var input createInput
	media, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if media != "application/json" {
		return input, new(invalid(fieldError{Loc: []any{"body"}, Msg: "Input should be a valid dictionary or object to extract fields from", Type: "model_attributes_type"}))
	}
	err := json.Unmarshal(c.body, &input)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return input, new(invalid(wrongType(wrong)))
	}
	if err != nil {
		return input, new(invalid(fieldError{Loc: []any{"body", 0}, Msg: "JSON decode error", Type: "json_invalid"}))
	}
	if input.AppID == nil {
		return input, new(invalid(fieldError{Loc: []any{"body", "app_id"}, Msg: "Field required", Type: "missing"}))
	}
	return input, nil
}

// wrongType says which member has the wrong JSON type, in the words of the real
// backend.
func wrongType(err *json.UnmarshalTypeError) fieldError {
	kind, name := "dict_type", "dictionary"
	switch err.Type.Kind() {
	case reflect.String:
		kind, name = "string_type", "string"
	case reflect.Int:
		kind, name = "int_type", "integer"
	case reflect.Slice:
		kind, name = "list_type", "list"
	}
	loc := []any{"body"}
	for _, part := range strings.Split(err.Field, ".") {
		if part != "" {
			loc = append(loc, part)
		}
	}
	return fieldError{Loc: loc, Msg: "Input should be a valid " + name, Type: kind}
}

// targetOf returns whom the access is for. Only org admins, of whom there are
// none here, may record another requester.
func (s *Server) targetOf(input createInput, caller Person) (Person, *answer) {
	if input.RequesterUserID != nil && *input.RequesterUserID != caller.ID {
		return Person{}, new(refusal(http.StatusForbidden, "Only organisation admins may set requester_user_id."))
	}
	if input.TargetUserID == nil {
		return caller, nil
	}
	target, found := s.people.byID(caller.DomainID, *input.TargetUserID)
	if !found {
		return Person{}, new(refusal(http.StatusNotFound, "User not found"))
	}
	return target, nil
}

// choose returns the permissions that the input names, if this app lets a
// requester name them.
func (s *Server) choose(a *app, input createInput) ([]permissionJSON, *answer) {
	if input.RequestablePermissionIDs == nil || len(*input.RequestablePermissionIDs) == 0 {
		return nil, nil
	}
	var chosen []permissionJSON
	for _, id := range *input.RequestablePermissionIDs {
		p, found := s.catalog.permissions[id]
		switch {
		case !found:
			return nil, new(refusal(http.StatusNotFound, "Requestable permission not found"))
		case p.AppID != a.wire.ID:
			return nil, new(unprocessable("A permission belongs to another app."))
		case a.settings.Provisioning.GroupsProvisioning != groupsAndVisible || p.RequestConfig.AppstoreVisibility != "VISIBLE":
			return nil, new(unprocessable("Permissions of this app cannot be chosen."))
		}
		chosen = append(chosen, *p)
	}
	if len(chosen) > 1 && !a.settings.Provisioning.AllowMultiplePermissionSelection {
		return nil, new(unprocessable("Only one permission of this app may be requested at a time."))
	}
	return chosen, nil
}

// chooseLength returns how long access lasts, 0 for good, if the app and all
// chosen permissions offer that.
func chooseLength(a *app, permissions []permissionJSON, input createInput) (time.Duration, *answer) {
	if input.AccessLength != nil && input.ExpirationInSeconds != nil {
		return 0, new(unprocessable("Send access_length or expiration_in_seconds, not both."))
	}
	label := unlimited
	switch {
	case input.AccessLength != nil:
		label = *input.AccessLength
	case input.ExpirationInSeconds != nil:
		label = labelOf(time.Duration(*input.ExpirationInSeconds) * time.Second)
	}
	offers := [][]string{a.settings.Provisioning.TimeBasedAccess}
	if len(permissions) > 0 {
		offers = nil
		for _, p := range permissions {
			offers = append(offers, p.RequestConfig.FulfillmentConfig.TimeBasedAccess)
		}
	}
	for _, offered := range offers {
		if len(offered) == 0 && label == unlimited {
			continue // no choice of length: access is for good
		}
		if !slices.Contains(offered, label) {
			return 0, new(unprocessable("This access length is not offered for the app."))
		}
	}
	return lengths[label], nil
}

// labelOf returns the label of a length, "" when it has none.
func labelOf(length time.Duration) string {
	for label, l := range lengths {
		if l == length {
			return label
		}
	}
	return ""
}

func firstOf(texts ...*string) *string {
	for _, t := range texts {
		if t != nil {
			return t
		}
	}
	return nil
}

// unprocessable is a refusal by a business rule: 422 in the text form.
func unprocessable(detail string) answer {
	return refusal(http.StatusUnprocessableEntity, detail)
}
