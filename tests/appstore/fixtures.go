package appstore

// Apps with a known address and a known behaviour. The other apps are made from
// the word list and vary.
const (
	// AppDirect is requested as a whole, for good, and approved by itself.
	AppDirect = "a0000000-0000-4000-8000-000000000001"
	// AppVisible has 4 permissions, of which one may be chosen, and an approver.
	AppVisible = "a0000000-0000-4000-8000-000000000002"
	// AppMultiple has 12 permissions, of which several may be chosen, access
	// lengths with a default, and one permission (number 1) with a shorter list
	// of lengths than the app.
	AppMultiple = "a0000000-0000-4000-8000-000000000003"
	// AppHidden has permissions that the requester may not choose.
	AppHidden = "a0000000-0000-4000-8000-000000000004"
	// AppTimeBound offers access lengths without a default and nothing unlimited.
	AppTimeBound = "a0000000-0000-4000-8000-000000000005"
	// AppRedirect is requested elsewhere: it has a redirect_url.
	AppRedirect = "a0000000-0000-4000-8000-000000000006"
	// AppDenied has an approver who always says no.
	AppDenied = "a0000000-0000-4000-8000-000000000007"
	// AppInstructions has instructions full of markup, quotes and line breaks.
	AppInstructions = "a0000000-0000-4000-8000-000000000008"
	// AppRestricted may be requested by a group that nobody is in.
	AppRestricted = "a0000000-0000-4000-8000-000000000009"
	// AppUnlisted is in no list and cannot be read or requested.
	AppUnlisted = "a0000000-0000-4000-8000-000000000010"
	// AppManual needs a manager's approval and manual provisioning.
	AppManual = "a0000000-0000-4000-8000-000000000011"
	// AppSearchOnly is found by a search and is not in the plain list.
	AppSearchOnly = "a0000000-0000-4000-8000-000000000012"
)

// How access is provisioned.
const (
	directToUser     = "DIRECT_TO_USER"
	groupsAndHidden  = "GROUPS_AND_HIDDEN"
	groupsAndVisible = "GROUPS_AND_VISIBLE"
)

// Who finds an app.
const (
	discoverFull    = "FULL"
	discoverLimited = "LIMITED" // by search only
	discoverNone    = "NONE"
)

const trickyInstructions = "Ask your lead first.\n\n" +
	"> \"Production\" needs a <b>ticket</b> & a reason; see <https://wiki.demo.example/access?a=1&b=2>.\n" +
	"Caf\u00e9 staff: use *Guest*. \u202eright-to-left\u202c {{not a template}} ${nor.this}\t\u2713\n"

// fixtures returns the known apps.
func fixtures() []blueprint {
	return []blueprint{
		{id: AppDirect, name: "Brightloom Wiki", category: "Collaboration", provisioning: directToUser, flow: flowAutomatic},
		{id: AppVisible, name: "Cinderpost Source", category: "Engineering", provisioning: groupsAndVisible, permissions: 4, flow: flowApproval},
		{
			id: AppMultiple, name: "Brightloom Warehouse", category: "Data", provisioning: groupsAndVisible, permissions: 12, multiple: true,
			lengths: []string{"4 hours", "12 hours", "7 days", "Unlimited"}, defaultLength: "12 hours",
			shorter: []string{"4 hours", "12 hours"}, flow: flowApproval,
		},
		{id: AppHidden, name: "Cinderpost Payroll", category: "People", provisioning: groupsAndHidden, permissions: 3, hidden: true, flow: flowApproval},
		{
			id: AppTimeBound, name: "Cinderpost Vault", category: "Security", provisioning: directToUser,
			lengths: []string{"2 hours", "1 day", "30 days"}, flow: flowAutomatic,
		},
		{id: AppRedirect, name: "Brightloom Travel", category: "Operations", provisioning: directToUser, redirect: "https://travel.demo.example/request-access", flow: flowAutomatic},
		{id: AppDenied, name: "Cinderpost Treasury", category: "Finance", provisioning: directToUser, flow: flowDenied},
		{id: AppInstructions, name: "Brightloom Helpdesk", category: "Support", provisioning: directToUser, instructions: trickyInstructions, flow: flowAutomatic},
		{id: AppRestricted, name: "Cinderpost Secrets", category: "Security", provisioning: directToUser, restricted: true, flow: flowApproval},
		{id: AppUnlisted, name: "Cinderpost Registry", category: "Engineering", provisioning: directToUser, discoverability: discoverNone, flow: flowApproval},
		{id: AppManual, name: "Brightloom Fleet", category: "Operations", provisioning: directToUser, flow: flowManual},
		{id: AppSearchOnly, name: "Brightloom Reviews", category: "People", provisioning: directToUser, discoverability: discoverLimited, flow: flowAutomatic},
	}
}

// PermissionID returns the id of an app's permission number n, from 0.
func PermissionID(appID string, n int) string {
	return uuidOf("permission", appID, string(rune('a'+n)))
}
