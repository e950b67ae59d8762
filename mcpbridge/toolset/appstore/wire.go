package appstore

import "github.com/teamlumos/mcp-edge/mcpbridge/backend"

// What is read of the backend's answers. Only fields that are used are named:
// the interface grows and some of its shapes vary, and what is not read cannot
// break.

type wireUser struct {
	ID         string `json:"id"`
	Email      string `json:"email"`
	GivenName  string `json:"given_name"`
	FamilyName string `json:"family_name"`
}

type wirePage[T any] struct {
	Items []T  `json:"items"`
	Total *int `json:"total"`
	Page  *int `json:"page"`
	Size  *int `json:"size"`
	Pages *int `json:"pages"`
}

// hasMore reports whether a page after the given one exists. Totals may be
// missing; then a full page says that there may be.
func (p *wirePage[T]) hasMore(page, size int) bool {
	switch {
	case p.Pages != nil:
		return page < *p.Pages
	case p.Total != nil:
		return page*size < *p.Total
	}
	return len(p.Items) >= size
}

type wireApp struct {
	ID                  string `json:"id"`
	Label               string `json:"user_friendly_label"`
	Description         string `json:"description"`
	Category            string `json:"category"`
	WebsiteURL          string `json:"website_url"`
	RequestInstructions string `json:"request_instructions"`
}

// Values of groups_provisioning.
const (
	provisionDirect  = "DIRECT_TO_USER"     // no permission is chosen
	provisionHidden  = "GROUPS_AND_HIDDEN"  // permissions exist, the requester may not choose
	provisionVisible = "GROUPS_AND_VISIBLE" // the requester chooses
)

type wireSettings struct {
	Instructions string `json:"custom_request_instructions"`
	RedirectURL  string `json:"redirect_url"`
	RequestFlow  struct {
		ManagerApproval bool `json:"require_manager_approval"`
	} `json:"request_flow"`
	Provisioning struct {
		Groups            string          `json:"groups_provisioning"`
		TimeBasedAccess   []string        `json:"time_based_access"`
		AllowMultiple     bool            `json:"allow_multiple_permission_selection"`
		ManualSteps       bool            `json:"manual_steps_needed"`
		DefaultLength     string          `json:"default_time_based_access_option"`
		DefaultPermission *wirePermission `json:"default_permission"`
	} `json:"provisioning"`
}

const visibilityHidden = "HIDDEN"

type wirePermission struct {
	ID     string `json:"id"`
	Label  string `json:"label"`
	AppID  string `json:"app_id"`
	Config *struct {
		Visibility string `json:"appstore_visibility"`
		Approval   struct {
			Manager string `json:"manager_approval"`
		} `json:"request_approval_config"`
		Fulfillment struct {
			// nil when the settings were not said; empty when no length is offered.
			TimeBasedAccess []string `json:"time_based_access"`
		} `json:"request_fulfillment_config"`
	} `json:"request_config"`
}

// requestable reports whether p can be named in a request for the app.
func (p *wirePermission) requestable(appID string) bool {
	return backend.ValidSegment(p.ID) && p.AppID == appID && (p.Config == nil || p.Config.Visibility != visibilityHidden)
}

// lengths returns the access lengths of p, and whether p has its own.
func (p *wirePermission) lengths() ([]string, bool) {
	if p.Config == nil || p.Config.Fulfillment.TimeBasedAccess == nil {
		return nil, false
	}
	return p.Config.Fulfillment.TimeBasedAccess, true
}

type wireRequest struct {
	ID            string            `json:"id"`
	AppID         string            `json:"app_id"`
	AppName       string            `json:"app_name"`
	Requester     *wireUser         `json:"requester_user"` // null for those that the system made
	Target        *wireUser         `json:"target_user"`
	Status        string            `json:"status"`
	Notes         map[string]string `json:"notes"`
	ExpiresAt     string            `json:"expires_at"`
	AccessSeconds *int64            `json:"expiration_in_seconds"`
	Permissions   []wirePermission  `json:"requestable_permissions"`
	RequestedAt   string            `json:"requested_at"`
	Tasks         []wireTask        `json:"tasks"`
	CustomFields  []struct {
		Prompt   string `json:"prompt"`
		Response string `json:"response"`
	} `json:"custom_fields"`
}

type wireTask struct {
	Category    string `json:"task_category"`
	Status      string `json:"status"`
	Description string `json:"description"`
	Assignees   []struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	} `json:"assignees"`
}

// isOf reports whether the request is the person's: for them or made by them.
func (r *wireRequest) isOf(userID string) bool {
	return r.isFor(userID) || r.Requester != nil && r.Requester.ID == userID
}

// isBy reports whether the person made the request, or nobody is said to have.
func (r *wireRequest) isBy(userID string) bool {
	return r.Requester == nil || r.Requester.ID == userID
}

// isFor reports whether the access is for the person.
func (r *wireRequest) isFor(userID string) bool {
	return r.Target != nil && r.Target.ID == userID
}

// newRequest is the body of POST /appstore/access_request. It has no field for
// another person, neither as requester nor as target: absent means the caller.
type newRequest struct {
	AppID         string   `json:"app_id"`
	Permissions   []string `json:"requestable_permission_ids,omitzero"`
	Justification string   `json:"business_justification"`
	AccessLength  string   `json:"access_length,omitzero"`
}
