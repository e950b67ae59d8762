package appstore

import "time"

// The types of this file are the JSON of the interface description. A pointer
// is a member that may be null.

// wireTime is how the real backend writes times: UTC, and without saying so.
const wireTime = "2006-01-02T15:04:05"

func formatTime(t time.Time) string { return t.UTC().Format(wireTime) }

// page is a page by number and size.
type page[T any] struct {
	Items []T `json:"items"`
	Total int `json:"total"`
	Page  int `json:"page"`
	Size  int `json:"size"`
	Pages int `json:"pages"`
}

type userJSON struct {
	ID         string `json:"id"`
	Email      string `json:"email"`
	GivenName  string `json:"given_name"`
	FamilyName string `json:"family_name"`
	Status     string `json:"status"`
}

type groupJSON struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	GroupLifecycle string `json:"group_lifecycle"`
}

type appJSON struct {
	ID                               string    `json:"id"`
	AppClassID                       string    `json:"app_class_id"`
	InstanceID                       string    `json:"instance_id"`
	UserFriendlyLabel                string    `json:"user_friendly_label"`
	Status                           string    `json:"status"`
	Sources                          []string  `json:"sources"`
	AllowMultiplePermissionSelection bool      `json:"allow_multiple_permission_selection"`
	LogoURL                          *string   `json:"logo_url"`
	WebsiteURL                       *string   `json:"website_url"`
	RequestInstructions              *string   `json:"request_instructions"`
	Description                      *string   `json:"description"`
	Category                         *string   `json:"category"`
	Disconnected                     bool      `json:"disconnected"`
	Links                            linksJSON `json:"links"`
	SyncStatus                       *string   `json:"sync_status"`
	CustomAttributes                 *struct{} `json:"custom_attributes"`
	// Popularity is not in the description. Members are added between releases.
	Popularity int `json:"popularity"`
}

type linksJSON struct {
	Self     string `json:"self"`
	AdminURL string `json:"admin_url"`
}

type settingsJSON struct {
	CustomRequestInstructions string           `json:"custom_request_instructions"`
	RedirectURL               *string          `json:"redirect_url"`
	RequestFlow               flowJSON         `json:"request_flow"`
	Provisioning              provisioningJSON `json:"provisioning"`
}

type flowJSON struct {
	Discoverability           string            `json:"discoverability"`
	CustomApprovalMessage     string            `json:"custom_approval_message"`
	RequireManagerApproval    bool              `json:"require_manager_approval"`
	RequireAdditionalApproval bool              `json:"require_additional_approval"`
	AllowedGroups             allowedGroupsJSON `json:"allowed_groups"`
	Approvers                 approversJSON     `json:"approvers"`
	ApproversStage2           approversJSON     `json:"approvers_stage_2"`
	DescribesEntireWorkflow   bool              `json:"response_describes_entire_approval_workflow"`
	// Admins is an object, but an empty list where there are none.
	Admins any `json:"admins"`
}

type allowedGroupsJSON struct {
	Type   string      `json:"type"`
	Groups []groupJSON `json:"groups"`
}

type approversJSON struct {
	Groups []groupJSON `json:"groups"`
	Users  []userJSON  `json:"users"`
}

type provisioningJSON struct {
	GroupsProvisioning               string          `json:"groups_provisioning"`
	TimeBasedAccess                  []string        `json:"time_based_access"`
	AllowMultiplePermissionSelection bool            `json:"allow_multiple_permission_selection"`
	ManualStepsNeeded                bool            `json:"manual_steps_needed"`
	CustomProvisioningInstructions   *string         `json:"custom_provisioning_instructions"`
	DefaultTimeBasedAccessOption     *string         `json:"default_time_based_access_option"`
	DefaultPermission                *permissionJSON `json:"default_permission"`
}

type permissionJSON struct {
	ID            string            `json:"id"`
	Type          string            `json:"type"`
	Label         string            `json:"label"`
	AppID         string            `json:"app_id"`
	AppClassID    string            `json:"app_class_id"`
	AppInstanceID string            `json:"app_instance_id"`
	RequestConfig requestConfigJSON `json:"request_config"`
}

type requestConfigJSON struct {
	AppstoreVisibility    string            `json:"appstore_visibility"`
	AllowedGroupsOverride bool              `json:"allowed_groups_override"`
	AllowedGroups         allowedGroupsJSON `json:"allowed_groups"`
	ApprovalConfig        *struct{}         `json:"request_approval_config"`
	FulfillmentConfig     fulfillmentJSON   `json:"request_fulfillment_config"`
}

type fulfillmentJSON struct {
	ManualStepsNeeded       bool       `json:"manual_steps_needed"`
	TimeBasedAccess         []string   `json:"time_based_access"`
	TimeBasedAccessOverride bool       `json:"time_based_access_override"`
	ProvisioningGroup       *groupJSON `json:"provisioning_group"`
}

type accessRequestJSON struct {
	ID                     string             `json:"id"`
	AppID                  string             `json:"app_id"`
	AppName                string             `json:"app_name"`
	RequesterUser          *userJSON          `json:"requester_user"` // null: made by the system
	TargetUser             userJSON           `json:"target_user"`
	SupporterUser          *userJSON          `json:"supporter_user"`
	Status                 string             `json:"status"`
	Notes                  map[string]string  `json:"notes"`
	ExpiresAt              *string            `json:"expires_at"`
	ExpirationInSeconds    *int               `json:"expiration_in_seconds"`
	RequestablePermissions []permissionJSON   `json:"requestable_permissions"` // null: the app alone
	RequestedAt            string             `json:"requested_at"`
	Tasks                  []taskJSON         `json:"tasks"`         // null unless expanded
	CustomFields           []intakeAnswerJSON `json:"custom_fields"` // null unless expanded
}

type taskJSON struct {
	ID              string `json:"id"`
	TaskType        string `json:"task_type"`
	TaskCategory    string `json:"task_category"`
	Status          string `json:"status"`
	Description     string `json:"description"`
	ProductArea     string `json:"product_area"`
	CreatedAt       string `json:"created_at"`
	UpdatedAt       string `json:"updated_at"`
	AccessRequestID string `json:"access_request_id"`
}

type intakeAnswerJSON struct {
	Prompt   string  `json:"prompt"`
	Response *string `json:"response"`
}
