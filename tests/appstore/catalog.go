package appstore

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// catalogSize is how many apps there are, the known ones included.
const catalogSize = 300

// blueprint is what an app is built from.
type blueprint struct {
	id, name, category string
	provisioning       string
	permissions        int
	multiple           bool // several permissions in one request
	hidden             bool // permissions are not shown
	lengths            []string
	defaultLength      string
	shorter            []string // lengths of permission number 1, when different
	redirect           string
	instructions       string
	restricted         bool
	discoverability    string // empty: FULL
	flow               flow
}

// app is an app of the catalogue. It never changes.
type app struct {
	wire        appJSON
	settings    settingsJSON
	permissions []permissionJSON
	flow        flow
}

// catalog is all apps, by name.
type catalog struct {
	apps        []*app
	byID        map[string]*app
	permissions map[string]*permissionJSON // of all apps, by id
}

// newCatalog builds the same apps every time.
func newCatalog(selfURL string) (*catalog, error) {
	w, err := parseWords(catalogText)
	if err != nil {
		return nil, err
	}
	plans := fixtures()
	random := rand.New(rand.NewPCG(20261123, 300)) // a fixed seed: variety, not chance
	for i := 0; len(plans) < catalogSize; i++ {
		plans = append(plans, w.plan(i, random))
	}
	c := &catalog{byID: make(map[string]*app), permissions: make(map[string]*permissionJSON)}
	for i, b := range plans {
		a := b.build(i, w, selfURL)
		c.apps = append(c.apps, a)
		c.byID[a.wire.ID] = a
		for j := range a.permissions {
			c.permissions[a.permissions[j].ID] = &a.permissions[j]
		}
	}
	slices.SortFunc(c.apps, func(a, b *app) int { return cmp.Compare(a.wire.UserFriendlyLabel, b.wire.UserFriendlyLabel) })
	return c, nil
}

// plan makes up app number i. The step of 7 between the rounds over the stems
// meets every category once before it repeats, so no name comes twice.
func (w words) plan(i int, random *rand.Rand) blueprint {
	stem := w.stems[i%len(w.stems)]
	kind := w.categories[(i+7*(i/len(w.stems)))%len(w.categories)]
	b := blueprint{
		id:       uuidOf("app", fmt.Sprint(i)),
		name:     stem + " " + kind.nouns[random.IntN(len(kind.nouns))],
		category: kind.name,
		flow:     flow(random.IntN(int(flowKinds))),
	}
	lengths := [][]string{
		nil, nil,
		{"4 hours", "12 hours", "1 day"},
		{"7 days", "30 days", "90 days", "Unlimited"},
	}[random.IntN(4)]
	b.lengths = lengths
	if lengths != nil && random.IntN(2) == 0 {
		b.defaultLength = lengths[0]
	}
	switch random.IntN(5) {
	case 0, 1:
		b.provisioning = directToUser
	case 2:
		b.provisioning, b.permissions, b.hidden = groupsAndHidden, 1+random.IntN(6), true
	default:
		b.provisioning, b.permissions, b.multiple = groupsAndVisible, random.IntN(13), random.IntN(2) == 0
	}
	switch random.IntN(40) {
	case 0:
		b.redirect = "https://" + strings.ToLower(stem) + ".demo.example/request-access"
	case 1, 2:
		b.discoverability = discoverLimited
	case 3, 4, 5, 6:
		b.instructions = "Tell us which team you are in and until when you need " + b.name + "."
	}
	return b
}

// build makes the app of a blueprint.
func (b blueprint) build(i int, w words, selfURL string) *app {
	slug := strings.ToLower(strings.ReplaceAll(b.name, " ", "-"))
	instance := ""
	if i%3 != 0 { // it may be empty
		instance = "instance-" + fmt.Sprint(1000+i)
	}
	a := &app{flow: b.flow}
	a.wire = appJSON{
		ID: b.id, AppClassID: slug + ".example", InstanceID: instance, UserFriendlyLabel: b.name,
		Status: "APPROVED", AllowMultiplePermissionSelection: b.multiple,
		// The last source is in no published list: the list grows.
		Sources:     [][]string{{"OKTA"}, {"MANUAL"}, {"LUMOS_INTEGRATION", "MCP"}, {"ORBITAL_SCAN"}}[i%4],
		Description: new(b.category + " by " + strings.Fields(b.name)[0] + "."),
		Category:    new(b.category),
		WebsiteURL:  new("https://" + slug + ".example/"),
		Links:       linksJSON{Self: selfURL + "/appstore/apps/" + b.id, AdminURL: "https://admin.demo.example/apps/" + b.id},
		Popularity:  (i * 37) % 101,
	}
	if b.instructions != "" {
		a.wire.RequestInstructions = new(b.instructions)
	}
	for n := range b.permissions {
		a.permissions = append(a.permissions, b.permission(n, w, a.wire))
	}
	a.settings = b.settings(a.permissions)
	return a
}

// permission makes permission number n.
func (b blueprint) permission(n int, w words, of appJSON) permissionJSON {
	visibility, kind := "VISIBLE", "SYNCED"
	if b.hidden {
		visibility = "HIDDEN"
	}
	if n%3 == 2 {
		kind = "NATIVE"
	}
	fulfilment := fulfillmentJSON{TimeBasedAccess: append([]string{}, b.lengths...)}
	if n == 1 && b.shorter != nil {
		fulfilment.TimeBasedAccess, fulfilment.TimeBasedAccessOverride = b.shorter, true
	}
	return permissionJSON{
		ID: PermissionID(b.id, n), Type: kind, Label: w.permissions[n],
		AppID: of.ID, AppClassID: of.AppClassID, AppInstanceID: of.InstanceID,
		RequestConfig: requestConfigJSON{
			AppstoreVisibility: visibility,
			AllowedGroups:      allowedGroupsJSON{Type: "ALL_GROUPS", Groups: []groupJSON{}},
			FulfillmentConfig:  fulfilment,
		},
	}
}

// settings makes the App Store settings.
func (b blueprint) settings(permissions []permissionJSON) settingsJSON {
	nobody := approversJSON{Groups: []groupJSON{}, Users: []userJSON{}}
	s := settingsJSON{
		CustomRequestInstructions: b.instructions,
		RequestFlow: flowJSON{
			Discoverability: cmp.Or(b.discoverability, discoverFull),
			AllowedGroups:   allowedGroupsJSON{Type: "ALL_GROUPS", Groups: []groupJSON{}},
			Approvers:       nobody, ApproversStage2: nobody,
			RequireManagerApproval:  b.flow == flowManual,
			DescribesEntireWorkflow: b.flow != flowManual,
			Admins:                  []struct{}{},
		},
		Provisioning: provisioningJSON{
			GroupsProvisioning:               b.provisioning,
			TimeBasedAccess:                  append([]string{}, b.lengths...),
			AllowMultiplePermissionSelection: b.multiple,
			ManualStepsNeeded:                b.flow == flowManual,
		},
	}
	if b.flow != flowAutomatic {
		owners := groupJSON{ID: uuidOf("group", b.id), Name: b.name + " owners", GroupLifecycle: "NATIVE"}
		s.RequestFlow.Approvers.Groups = []groupJSON{owners}
		s.RequestFlow.Admins = approversJSON{Groups: []groupJSON{owners}, Users: []userJSON{}}
	}
	if b.redirect != "" {
		s.RedirectURL = new(b.redirect)
	}
	if b.defaultLength != "" {
		s.Provisioning.DefaultTimeBasedAccessOption = new(b.defaultLength)
	}
	if b.provisioning == groupsAndVisible && len(permissions) > 2 {
		s.Provisioning.DefaultPermission = &permissions[0]
	}
	if b.restricted {
		s.RequestFlow.AllowedGroups = allowedGroupsJSON{Type: "SPECIFIED_GROUPS", Groups: []groupJSON{
			{ID: uuidOf("group", "restricted"), Name: "Incident commanders", GroupLifecycle: "SYNCED"},
		}}
	}
	return s
}

// uuidOf returns an id that looks like a random UUID and is always the same for
// the same parts.
func uuidOf(parts ...string) string {
	b := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
