// Package reason is the closed vocabulary of refusals.
//
// Owns: the layers and codes by which every denial is named, the same in
// answers, audit events and metrics.
// Does not own: the decisions themselves, nor HTTP status codes.
package reason

import "strings"

// Reason names why something was refused, as "layer/code". The empty Reason
// means that nothing was refused.
type Reason string

// The layers, outermost first.
const (
	LayerClient   = "client"
	LayerDomain   = "domain"
	LayerUser     = "user"
	LayerGrant    = "grant"
	LayerResource = "resource"
	LayerScope    = "scope"
	LayerRole     = "role"
	LayerLimit    = "limit"
	LayerBackend  = "backend"
)

// The reasons. A new one is added here and nowhere else.
const (
	None Reason = ""

	ClientUnknown         Reason = "client/unknown"
	ClientNotAllowed      Reason = "client/not_allowed"
	ClientNoProfile       Reason = "client/no_profile"
	ClientBadSecret       Reason = "client/bad_secret"
	ClientBadRedirect     Reason = "client/bad_redirect_uri"
	ClientBadRegistration Reason = "client/bad_registration_token"
	ClientBadMetadata     Reason = "client/bad_metadata"
	ClientBadRequest      Reason = "client/bad_request"
	ClientBadOrigin       Reason = "client/bad_origin"
	ClientNoToken         Reason = "client/no_token"
	DomainUnknown         Reason = "domain/unknown"
	DomainOff             Reason = "domain/off"
	UserNotAllowed        Reason = "user/not_allowed"
	UserNotActive         Reason = "user/not_active"
	UserUnknown           Reason = "user/unknown"
	UserEmailMissing      Reason = "user/email_missing"
	UserEmailUnverified   Reason = "user/email_unverified"
	UserEmailWrongDomain  Reason = "user/email_wrong_domain"
	UserTooManyGroups     Reason = "user/too_many_groups"
	UserSignInFailed      Reason = "user/sign_in_failed"
	UserDenied            Reason = "user/denied"
	GrantUnknown          Reason = "grant/unknown"
	GrantExpired          Reason = "grant/expired"
	GrantRevoked          Reason = "grant/revoked"
	GrantReused           Reason = "grant/reused"
	GrantNotAudited       Reason = "grant/not_audited"
	GrantWrongClient      Reason = "grant/wrong_client"
	GrantWrongVerifier    Reason = "grant/wrong_verifier"
	GrantStoreRolledBack  Reason = "grant/store_rolled_back"
	ResourceUnknown       Reason = "resource/unknown"
	ResourceWrong         Reason = "resource/wrong"
	ScopeInvalid          Reason = "scope/invalid"
	ScopeMissing          Reason = "scope/missing"
	RoleNoPermission      Reason = "role/no_permission"
	LimitRequests         Reason = "limit/requests"
	LimitSignIns          Reason = "limit/sign_ins"
	LimitBadSecrets       Reason = "limit/bad_secrets"
	LimitRotations        Reason = "limit/rotations"
	LimitRegistrations    Reason = "limit/registrations"
	LimitUserRead         Reason = "limit/user_read"
	LimitUserWrite        Reason = "limit/user_write"
	LimitDomain           Reason = "limit/domain"
	BackendUnavailable    Reason = "backend/unavailable"
	BackendRefusedGateway Reason = "backend/refused_gateway"
	BackendRefused        Reason = "backend/refused"
	BackendTimeout        Reason = "backend/timeout"
	BackendBadAnswer      Reason = "backend/bad_answer"
	BackendRateLimited    Reason = "backend/rate_limited"
	BackendIDPUnavailable Reason = "backend/idp_unavailable"
	BackendIDPBadAnswer   Reason = "backend/idp_bad_answer"
	StoreUnavailable      Reason = "grant/store_unavailable"
	AuditUnavailable      Reason = "grant/audit_unavailable"
)

// all is the vocabulary; a test holds it against the constants.
var all = map[Reason]struct{}{
	ClientUnknown: {}, ClientNotAllowed: {}, ClientNoProfile: {}, ClientBadSecret: {}, ClientBadRedirect: {}, ClientBadRegistration: {}, ClientBadMetadata: {},
	ClientBadRequest: {}, ClientBadOrigin: {}, ClientNoToken: {},
	DomainUnknown: {}, DomainOff: {},
	UserNotAllowed: {}, UserNotActive: {}, UserUnknown: {}, UserEmailMissing: {}, UserEmailUnverified: {}, UserTooManyGroups: {}, UserEmailWrongDomain: {}, UserSignInFailed: {}, UserDenied: {},
	GrantUnknown: {}, GrantExpired: {}, GrantRevoked: {}, GrantReused: {}, GrantNotAudited: {}, GrantWrongClient: {}, GrantWrongVerifier: {},
	GrantStoreRolledBack: {},
	ResourceUnknown:      {}, ResourceWrong: {},
	ScopeInvalid: {}, ScopeMissing: {},
	RoleNoPermission: {},
	LimitRequests:    {}, LimitSignIns: {}, LimitBadSecrets: {}, LimitRotations: {}, LimitRegistrations: {},
	LimitUserRead: {}, LimitUserWrite: {}, LimitDomain: {},
	BackendUnavailable: {}, BackendRefusedGateway: {}, BackendRefused: {}, BackendTimeout: {}, BackendBadAnswer: {}, BackendRateLimited: {},
	BackendIDPUnavailable: {}, BackendIDPBadAnswer: {},
	StoreUnavailable: {}, AuditUnavailable: {},
}

// Known says whether r is one of the reasons above, and not text that came from
// elsewhere. None is not one.
func (r Reason) Known() bool {
	_, ok := all[r]
	return ok
}

// Fault says whether r is a fault of ours or of what we depend on, and no
// judgement of what was asked.
func (r Reason) Fault() bool {
	switch r {
	case StoreUnavailable, AuditUnavailable,
		BackendUnavailable, BackendTimeout, BackendIDPUnavailable:
		return true
	}
	return false
}

// Layer returns the part before the slash.
func (r Reason) Layer() string {
	layer, _, _ := strings.Cut(string(r), "/")
	return layer
}

// Code returns the part after the slash.
func (r Reason) Code() string {
	_, code, _ := strings.Cut(string(r), "/")
	return code
}
