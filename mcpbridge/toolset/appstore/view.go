package appstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Limits of what is returned, in characters and entries, so that a page of
// results stays far below what a model can read.
const (
	maxName         = 200
	maxID           = 128
	maxLabel        = 200
	maxSummary      = 400
	maxInstructions = 2000
	maxNote         = 500
	maxEntries      = 20
)

type personView struct {
	Name  string `json:"name,omitzero"`
	Email string `json:"email,omitzero"`
	IsYou bool   `json:"is_you"`
}

type appView struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
	Category    string `json:"category,omitzero"`
	WebsiteURL  string `json:"website_url,omitzero"`
}

type choiceView struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

type permissionView struct {
	ID              string   `json:"id"`
	Label           string   `json:"label"`
	AccessLengths   []string `json:"access_lengths"`
	ManagerApproval bool     `json:"manager_approval,omitzero"`
}

type noteView struct {
	Status string `json:"status"`
	Text   string `json:"text"`
}

type answerView struct {
	Question string `json:"question"`
	Answer   string `json:"answer,omitzero"`
}

type taskView struct {
	Kind        string   `json:"kind"`
	Status      string   `json:"status"`
	Description string   `json:"description,omitzero"`
	Assignees   []string `json:"assignees,omitempty"`
}

type requestView struct {
	ID            string       `json:"id"`
	AppID         string       `json:"app_id"`
	AppName       string       `json:"app_name"`
	Status        string       `json:"status"`
	State         string       `json:"state"`
	RequestedAt   string       `json:"requested_at,omitzero"`
	ExpiresAt     string       `json:"expires_at,omitzero"`
	AccessSeconds *int64       `json:"access_seconds,omitzero"`
	Permissions   []choiceView `json:"permissions"`
	Requester     *personView  `json:"requester,omitzero"`
	Target        *personView  `json:"target,omitzero"`
	Notes         []noteView   `json:"notes,omitempty"`
	Answers       []answerView `json:"answers,omitempty"`
	Tasks         []taskView   `json:"tasks,omitempty"`
}

func viewApp(a *wireApp) appView {
	return appView{
		ID:          result.Line(a.ID, maxID),
		Name:        result.Line(a.Label, maxName),
		Description: result.Text(a.Description, maxSummary),
		Category:    result.Line(a.Category, maxLabel),
		WebsiteURL:  result.Link(a.WebsiteURL),
	}
}

func viewPerson(u *wireUser, me string) *personView {
	if u == nil {
		return nil
	}
	return &personView{
		Name:  result.Line(u.GivenName+" "+u.FamilyName, maxName),
		Email: result.Line(u.Email, maxName),
		IsYou: u.ID != "" && u.ID == me,
	}
}

func viewChoice(p *wirePermission) choiceView {
	return choiceView{ID: result.Line(p.ID, maxID), Label: result.Line(p.Label, maxLabel)}
}

// viewRequest returns r as the person with id me may see it.
func viewRequest(r *wireRequest, me string) requestView {
	v := requestView{
		ID:            result.Line(r.ID, maxID),
		AppID:         result.Line(r.AppID, maxID),
		AppName:       result.Line(r.AppName, maxName),
		Status:        result.Line(r.Status, maxLabel),
		State:         stateOf(r.Status),
		RequestedAt:   result.Time(r.RequestedAt),
		ExpiresAt:     result.Time(r.ExpiresAt),
		AccessSeconds: r.AccessSeconds,
		Permissions:   make([]choiceView, 0, len(r.Permissions)),
		Requester:     viewPerson(r.Requester, me),
		Target:        viewPerson(r.Target, me),
	}
	for i := range r.Permissions[:min(len(r.Permissions), maxEntries)] {
		v.Permissions = append(v.Permissions, viewChoice(&r.Permissions[i]))
	}
	for _, status := range slices.Sorted(maps.Keys(r.Notes)) {
		text := result.Text(r.Notes[status], maxNote)
		if text != "" && len(v.Notes) < maxEntries {
			v.Notes = append(v.Notes, noteView{Status: result.Line(status, maxLabel), Text: text})
		}
	}
	for _, f := range r.CustomFields[:min(len(r.CustomFields), maxEntries)] {
		v.Answers = append(v.Answers, answerView{Question: result.Line(f.Prompt, maxNote), Answer: result.Text(f.Response, maxNote)})
	}
	for i := range r.Tasks[:min(len(r.Tasks), maxEntries)] {
		v.Tasks = append(v.Tasks, viewTask(&r.Tasks[i]))
	}
	return v
}

// shorten drops the texts of other people: get_access_request returns them.
func (v *requestView) shorten() { v.Notes, v.Answers, v.Tasks = nil, nil, nil }

func viewTask(t *wireTask) taskView {
	v := taskView{
		Kind:        result.Line(t.Category, maxLabel),
		Status:      result.Line(t.Status, maxLabel),
		Description: result.Text(t.Description, maxNote),
	}
	for _, a := range t.Assignees[:min(len(t.Assignees), maxEntries)] {
		if name := result.Line(cmp.Or(a.Name, a.Email), maxName); name != "" {
			v.Assignees = append(v.Assignees, name)
		}
	}
	return v
}

// viewLabels returns labels, such as access lengths, for an answer.
func viewLabels(labels []string) []string {
	out := make([]string, 0, min(len(labels), maxEntries))
	for _, label := range labels[:min(len(labels), maxEntries)] {
		out = append(out, result.Line(label, maxLabel))
	}
	return out
}
