package caddymodule

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/teamlumos/mcp-edge/authz/operator"
	"github.com/teamlumos/mcp-edge/authz/policy"
	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/toolset"
)

// explanation answers GET /mcp_edge/explain.
type explanation struct {
	// Verdict is allowed, step_up (a wider consent would help) or refused.
	Verdict  string         `json:"verdict"`
	Reason   string         `json:"reason,omitempty"` // of the first layer that refuses
	Resource string         `json:"resource"`
	Tool     explainTool    `json:"tool"`
	Person   explainPerson  `json:"person"`
	Client   explainClient  `json:"client"`
	Layers   []explainLayer `json:"layers"` // in the order in which they refuse
	Grants   []explainGrant `json:"grants"` // the newest first
}

// explainTool is the tool with what it needs.
type explainTool struct {
	Name       string `json:"name"`
	Scope      string `json:"scope"`
	Permission string `json:"permission"`
}

// explainPerson is the person as of their last sign-in.
type explainPerson struct {
	Email      string     `json:"email"`
	Domain     string     `json:"domain"`
	SignedInAt *time.Time `json:"signed_in_at,omitempty"`
	Groups     []string   `json:"groups"`
	Roles      []string   `json:"roles"`
	Others     int        `json:"others,omitempty"` // who had the same address before
}

// explainClient is what the question calls the client.
type explainClient struct {
	ID      string `json:"id,omitempty"` // empty where a profile was asked about
	Name    string `json:"name,omitempty"`
	Profile string `json:"profile,omitempty"`
}

// explainLayer is one layer with what it says.
type explainLayer struct {
	Layer  string `json:"layer"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// explainGrant is one grant with the decision under it.
type explainGrant struct {
	ID        string    `json:"id"`
	Client    string    `json:"client"`
	Scopes    []string  `json:"scopes"`
	CreatedAt time.Time `json:"created_at"`
	Verdict   string    `json:"verdict"`
	Reason    string    `json:"reason,omitempty"`
}

// explain answers what a call would meet now.
func explain(ctx context.Context, service *operator.Service, r adminRequest) (any, error) {
	for _, name := range []string{"user", "client", "tool"} {
		if r.Get(name) == "" {
			return nil, fmt.Errorf("%w: it needs user, client and tool, and resource where there are several", errBadQuery)
		}
	}
	resource, err := r.resource()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, tool := range r.run.tools[resource].List() {
		if names = append(names, tool.Name); tool.Name != r.Get("tool") {
			continue
		}
		found, err := service.Explain(ctx, operator.Question{
			Email: r.Get("user"), Client: r.Get("client"), Resource: resource, Scope: tool.Need.Scope, Permission: tool.Need.Permission,
		})
		if err != nil {
			return nil, err
		}
		return newExplanation(r.Values, resource, tool, &found), nil
	}
	return nil, fmt.Errorf("%w: %s has no such tool: %s", errBadQuery, resource, suggest(r.Get("tool"), names))
}

// resource is the one that was asked about, or the only one there is.
func (r adminRequest) resource() (string, error) {
	all := slices.Sorted(maps.Keys(r.run.tools))
	asked := r.Get("resource")
	switch {
	case len(all) == 0:
		return "", fmt.Errorf("%w: no mcp_bridge is configured", errBadQuery)
	case asked == "" && len(all) > 1:
		return "", fmt.Errorf("%w: resource is one of: %s", errBadQuery, strings.Join(all, ", "))
	case asked == "" && !r.Has("resource"):
		return all[0], nil
	case !slices.Contains(all, asked):
		return "", fmt.Errorf("%w: no such resource: %s", errBadQuery, suggest(asked, all))
	}
	return asked, nil
}

func newExplanation(asked map[string][]string, resource string, tool toolset.Tool, e *operator.Explanation) explanation {
	out := explanation{
		Resource: resource,
		Tool:     explainTool{Name: tool.Name, Scope: tool.Need.Scope, Permission: tool.Need.Permission},
		Person:   explainPerson{Email: asked["user"][0], Domain: e.Domain, Groups: []string{}, Roles: []string{}, Others: e.Others},
		Client:   explainClient{Profile: e.Profile},
		Grants:   []explainGrant{},
	}
	out.Verdict, out.Reason = verdictWords(e.Verdict)
	if e.Person != nil {
		out.Person.Email, out.Person.SignedInAt = e.Person.Email, moment(e.Person.SignedIn)
		out.Person.Groups = append(out.Person.Groups, e.Person.Groups...)
	}
	for _, role := range e.Roles {
		out.Person.Roles = append(out.Person.Roles, role.Name)
	}
	if e.Client != nil {
		out.Client.ID, out.Client.Name = e.Client.ID, e.Client.Name
	}
	for _, g := range e.Grants {
		row := explainGrant{ID: g.ID, Client: g.ClientID, Scopes: g.Scopes, CreatedAt: g.CreatedAt}
		row.Verdict, row.Reason = verdictWords(g.Verdict)
		out.Grants = append(out.Grants, row)
	}
	out.Layers = explainLayers(&out, e.Layers, asked["client"][0])
	return out
}

func verdictWords(v policy.Verdict) (verdict, why string) {
	switch {
	case v.Allowed:
		return "allowed", ""
	case v.StepUp:
		return "step_up", string(v.Reason)
	}
	return "refused", string(v.Reason)
}

// explainLayers puts what each layer says into words.
func explainLayers(e *explanation, l operator.Layers, client string) []explainLayer {
	layers := []explainLayer{
		{Layer: reason.LayerDomain, Reason: string(l.Domain), Detail: "the people of " + e.Person.Domain + " may sign in"},
		{Layer: reason.LayerUser, Reason: string(l.User), Detail: e.Person.Email + " is admitted, in " + listed("group", e.Person.Groups)},
		{Layer: reason.LayerClient, Reason: string(l.Client), Detail: "the domain allows " + e.Client.Profile},
		{Layer: reason.LayerGrant, Reason: string(l.Grant), Detail: fmt.Sprintf("%d live, of which the call may use any", len(e.Grants))},
		{Layer: reason.LayerRole, Reason: string(l.Role), Detail: listed("role", e.Person.Roles) + " allows " + e.Tool.Permission},
		{Layer: reason.LayerScope, Reason: string(l.Scope), Detail: "the person consented to " + e.Tool.Scope},
	}
	for i := range layers {
		layer := &layers[i]
		layer.OK = layer.Reason == ""
		switch {
		case layer.OK:
		case i > 0 && layer.Reason == string(reason.DomainUnknown):
			layer.Detail = "not asked, since the domain is not known"
		default:
			layer.Detail, layer.Remedy = e.refusal(reason.Reason(layer.Reason), client)
		}
	}
	return layers
}

// refusal says why a layer refuses, and what would change that.
func (e *explanation) refusal(why reason.Reason, client string) (detail, remedy string) {
	domain := "domain " + e.Person.Domain
	switch why {
	case reason.DomainUnknown:
		return "the configuration has no " + domain, "add it, with enabled, idp, clients, users and role; or look at the address after the @"
	case reason.DomainOff:
		return domain + " is off", "add the line enabled to " + domain + ", and reload"
	case reason.UserUnknown:
		return "nobody has signed in with " + e.Person.Email, "the person connects an assistant and signs in; their groups are known from then on"
	case reason.UserNotAllowed:
		return e.Person.Email + " is not admitted, in " + listed("group", e.Person.Groups), "put the person into a group that users of " + domain + " names, and let them sign in again; or change that line"
	case reason.ClientUnknown:
		return "there is no client or host profile " + client, "mcp-edge registrations lists the clients, mcp-edge clients the profiles, mcp-edge rejections what was refused"
	case reason.ClientNotAllowed:
		return domain + " does not allow " + e.Client.Profile, "add " + e.Client.Profile + " to the clients line of " + domain
	case reason.GrantUnknown:
		return "the person has approved nothing here that is still live", "the person connects the assistant and approves"
	case reason.RoleNoPermission:
		return "none of the person's roles allows " + e.Tool.Permission + ": " + listed("role", e.Person.Roles), "add it to the allow line of a role in " + domain + ", or put the person into the group of one that has it"
	case reason.ScopeMissing:
		if len(e.Grants) == 0 {
			return "nothing is consented to yet", "the person approves " + e.Tool.Scope + " when the assistant asks for it"
		}
		return "the person did not consent to " + e.Tool.Scope, "the assistant asks for it at the call, and the person approves"
	}
	return "the tool's scope " + e.Tool.Scope + " does not reach " + e.Tool.Permission, "this is a fault of the toolset"
}

// listed writes names behind what they are: "no role", "role a", "roles a, b".
func listed(what string, names []string) string {
	switch len(names) {
	case 0:
		return "no " + what
	case 1:
		return what + " " + names[0]
	}
	return what + "s " + strings.Join(names, ", ")
}
