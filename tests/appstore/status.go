package appstore

import (
	"slices"
	"time"
)

// The states of an access request.
const (
	statePending             = "PENDING"
	statePendingManager      = "PENDING_MANAGER_APPROVAL"
	stateManagerApproved     = "MANAGER_APPROVED"
	statePendingApproval     = "PENDING_APPROVAL"
	stateApproved            = "APPROVED"
	stateDenied              = "DENIED"
	stateCancelled           = "CANCELLED"
	statePendingProvisioning = "PENDING_PROVISIONING"
	statePendingManual       = "PENDING_MANUAL_PROVISIONING"
	stateProvisioned         = "PROVISIONED"
	stateCompleted           = "COMPLETED"
	stateTimeBasedExpired    = "TIME_BASED_EXPIRED"
)

// allStates is every state that the interface description names, in its order.
var allStates = []string{
	statePending, statePendingManager, stateManagerApproved, "MANAGER_DENIED", statePendingApproval,
	stateApproved, stateDenied, "EXPIRED", stateCancelled, statePendingProvisioning, statePendingManual,
	"DENIED_PROVISIONING", stateProvisioned, "PENDING_DEPROVISIONING", "PENDING_MANUAL_DEPROVISIONING",
	stateTimeBasedExpired, stateCompleted, "REVERTING", "REVERTED", "TIME_BASED_EXPIRED_FAILED",
	"TIME_BASED_EXPIRED_CANCELLED",
}

// openStates may be cancelled.
var openStates = []string{
	statePending, statePendingManager, stateManagerApproved, statePendingApproval,
	statePendingProvisioning, statePendingManual,
}

// flow is the way of an app's requests.
type flow int

const (
	flowAutomatic flow = iota // approved by itself
	flowApproval              // an approver says yes
	flowDenied                // an approver says no
	flowManual                // a manager, an approver, and provisioning by hand
	flowKinds
)

// steps are the states that a request passes, one per interval. Time-bound
// access ends in PROVISIONED, since its clean-up is still to come; other access
// in COMPLETED.
func (f flow) steps(timeBound bool) []string {
	last := stateCompleted
	if timeBound {
		last = stateProvisioned
	}
	switch f {
	case flowAutomatic:
		return []string{statePending, stateApproved, statePendingProvisioning, last}
	case flowDenied:
		return []string{statePending, statePendingApproval, stateDenied}
	case flowManual:
		return []string{
			statePending, statePendingManager, stateManagerApproved, statePendingApproval,
			stateApproved, statePendingManual, last,
		}
	default:
		return []string{statePending, statePendingApproval, stateApproved, statePendingProvisioning, last}
	}
}

// state returns where the request stands at now, when its access ends, and
// whether that is known yet. Nothing runs in the background: the clock alone
// decides. An interval of 0 stands still.
func (r *accessRequest) state(now time.Time, interval time.Duration) (state string, ends time.Time, known bool) {
	if r.final != "" {
		return r.final, time.Time{}, false
	}
	steps := r.app.flow.steps(r.length > 0)
	step := 0
	if interval > 0 {
		step = min(max(int(now.Sub(r.made)/interval), 0), len(steps)-1)
	}
	if steps[step] != stateProvisioned {
		return steps[step], time.Time{}, false
	}
	ends = r.made.Add(interval * time.Duration(len(steps)-1)).Add(r.length)
	if now.After(ends) {
		return stateTimeBasedExpired, ends, true
	}
	return stateProvisioned, ends, true
}

// isOpen reports whether a request in that state may be cancelled.
func isOpen(state string) bool { return slices.Contains(openStates, state) }
