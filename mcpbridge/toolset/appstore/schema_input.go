package appstore

import (
	"strings"

	"github.com/teamlumos/mcp-edge/mcpbridge/toolset/arguments"
)

// The input schemas (JSON Schema 2020-12). They are what is published and what
// is enforced: every string and array is bounded, no property is open.

const (
	idSchema = `"type":"string","maxLength":128,"pattern":"` + arguments.ID + `"`

	pageProperty = `"page":{"type":"integer","minimum":1,"maximum":10000,"default":1,` +
		`"description":"Page of the results, from 1. Ask for the next one while has_more is true."}`
	telemetryProperty = `"telemetry":` + arguments.Telemetry
	appIDProperty     = `"app_id":{` + idSchema + `,"description":"The app's id, from search_apps. Not its name."}`
	requestIDProp     = `"request_id":{` + idSchema + `,"description":"The access request's id, from list_access_requests or submit_access_request."}`
	keyProperty       = `"idempotency_key":{"type":"string","minLength":1,"maxLength":255,"pattern":"` + arguments.Key + `",` +
		`"description":"Names this change, so that a repeated call cannot make it twice: the same key and arguments get the first answer for 24 hours. ` +
		`Make a new random one for each new wish; repeat it only to repeat the same call."}`
	permissionIDs = `"permission_ids":{"type":"array","minItems":1,"maxItems":20,"uniqueItems":true,"items":{` + idSchema + `},` +
		`"description":"Ids from list_requestable_permissions. Leave out where get_app says permission_selection is none."}`
)

// object returns an object schema with exactly the given properties.
func object(required, properties string) string {
	return `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,` +
		`"required":[` + required + `],"properties":{` + properties + `}}`
}

var (
	lineSchema  = `"type":"string","pattern":"` + escaped(arguments.Line) + `"`
	proseSchema = `"type":"string","minLength":1,"pattern":"` + escaped(arguments.Prose) + `"`
)

// escaped returns a pattern as part of a JSON string.
func escaped(pattern string) string { return strings.ReplaceAll(pattern, `\`, `\\`) }

var (
	searchAppsInput = object(``,
		`"query":{`+lineSchema+`,"minLength":1,"maxLength":200,"description":"Part of the app's name. Leave out to list all apps."},`+
			`"exact":{"type":"boolean","default":false,"description":"Match the whole name only."},`+
			pageProperty+`,`+
			`"page_size":{"type":"integer","minimum":1,"maximum":50,"default":25,"description":"Results per page."},`+
			telemetryProperty)

	getAppInput = object(`"app_id"`, appIDProperty+`,`+telemetryProperty)

	listPermissionsInput = object(`"app_id"`,
		appIDProperty+`,`+
			`"query":{`+lineSchema+`,"minLength":1,"maxLength":200,"description":"Part of the permission's name."},`+
			pageProperty+`,`+telemetryProperty)

	listRequestsInput = object(``,
		`"state":{"type":"string","enum":["open","granted","refused","ended","all"],"default":"open",`+
			`"description":"open: waiting for approval or provisioning. granted: access was given. refused: denied. ended: cancelled, expired or removed. all: every request."},`+
			`"app_id":{`+idSchema+`,"description":"Only requests for this app."},`+
			pageProperty+`,`+telemetryProperty)

	getRequestInput = object(`"request_id"`,
		requestIDProp+`,`+
			`"include_tasks":{"type":"boolean","default":false,"description":"Also return who has to act on the request."},`+
			telemetryProperty)

	submitInput = object(`"app_id","justification"`,
		appIDProperty+`,`+
			`"justification":{`+proseSchema+`,"maxLength":2000,"description":"Why the user needs the access, in the user's own words. Approvers read it. Ask the user; do not invent it."},`+
			permissionIDs+`,`+
			`"access_length":{`+lineSchema+`,"minLength":1,"maxLength":40,"description":"One of access_lengths of get_app or of the chosen permissions, for example \"12 hours\". Leave out for the default."},`+
			`"allow_duplicate":{"type":"boolean","default":false,"description":"Submit although the user has an open request for the same thing. Only when the user asked for that."},`+
			keyProperty+`,`+telemetryProperty)

	cancelInput = object(`"request_id"`,
		requestIDProp+`,`+
			`"reason":{`+lineSchema+`,"minLength":1,"maxLength":500,"description":"Why it is cancelled. Approvers can read it."},`+
			keyProperty+`,`+telemetryProperty)
)
