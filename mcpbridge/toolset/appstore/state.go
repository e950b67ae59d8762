package appstore

// The states by which a model sees the many statuses of an access request.
const (
	stateOpen    = "open"
	stateGranted = "granted"
	stateRefused = "refused"
	stateEnded   = "ended"
	stateUnknown = "unknown"
	stateAll     = "all" // of arguments only
)

const (
	statusPending   = "PENDING"
	statusCancelled = "CANCELLED"
)

// statuses are the App Store's statuses by state, in a fixed order because they
// become query parameters.
var statuses = map[string][]string{
	stateOpen: {
		statusPending, "PENDING_MANAGER_APPROVAL", "MANAGER_APPROVED", "PENDING_APPROVAL",
		"PENDING_PROVISIONING", "PENDING_MANUAL_PROVISIONING",
	},
	stateGranted: {"APPROVED", "PROVISIONED", "COMPLETED"},
	stateRefused: {"MANAGER_DENIED", "DENIED", "DENIED_PROVISIONING"},
	stateEnded: {
		"EXPIRED", statusCancelled, "PENDING_DEPROVISIONING", "PENDING_MANUAL_DEPROVISIONING",
		"REVERTING", "REVERTED", "TIME_BASED_EXPIRED", "TIME_BASED_EXPIRED_FAILED", "TIME_BASED_EXPIRED_CANCELLED",
	},
}

var stateOfStatus = func() map[string]string {
	m := make(map[string]string)
	for state, list := range statuses {
		for _, status := range list {
			m[status] = state
		}
	}
	return m
}()

// stateOf returns the state of a status; a status that a later release of the
// backend brings is "unknown", not an error.
func stateOf(status string) string {
	if state, ok := stateOfStatus[status]; ok {
		return state
	}
	return stateUnknown
}

// stepOf says what a person can do about a request in the given status.
func stepOf(status string) string {
	switch status {
	case statusPending, "PENDING_APPROVAL":
		return "Waiting for approval. Check again later with get_access_request; do not poll in a loop."
	case "PENDING_MANAGER_APPROVAL":
		return "Waiting for the manager's approval. Check again later with get_access_request; do not poll in a loop."
	case "MANAGER_APPROVED":
		return "The manager approved; further approvals may follow. Check again later with get_access_request."
	case "PENDING_PROVISIONING", "APPROVED":
		return "Approved; access is being set up. Check again later with get_access_request."
	case "PENDING_MANUAL_PROVISIONING":
		return "Approved; an administrator has to set up the access by hand. Check again later with get_access_request."
	case "PROVISIONED", "COMPLETED":
		return "The user has the access. Nothing more to do."
	case "MANAGER_DENIED", "DENIED", "DENIED_PROVISIONING":
		return "The request was denied; notes may say why. Submit another one only if the user asks for it."
	case "EXPIRED":
		return "Nobody acted on the request in time. The user may submit it again."
	case statusCancelled:
		return "The request was cancelled. Nothing more to do."
	case "PENDING_DEPROVISIONING", "PENDING_MANUAL_DEPROVISIONING", "REVERTING":
		return "The access is being removed. Submit a new request if the user still needs it."
	case "TIME_BASED_EXPIRED", "TIME_BASED_EXPIRED_CANCELLED", "REVERTED":
		return "The access has ended. Submit a new request if the user still needs it."
	case "TIME_BASED_EXPIRED_FAILED":
		return "The access should have ended but its removal failed; an administrator has to look at it."
	}
	return "The App Store reports a status that this gateway does not know. Tell the user the status as it is."
}
