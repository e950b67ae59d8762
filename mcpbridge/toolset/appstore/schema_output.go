package appstore

// The output schemas (JSON Schema 2020-12) of the types in view.go. They are
// closed as well: what is not described here is not returned.

const (
	nextStep   = `"next_step":{"type":"string","description":"What to do now, in plain words."}`
	pageOut    = `"page":{"type":"integer","minimum":1},"has_more":{"type":"boolean"}`
	totalOut   = `"total":{"type":"integer","minimum":0,"description":"All matches, if known."}`
	timeOut    = `{"type":"string","description":"RFC 3339, UTC."}`
	stringsOut = `{"type":"array","items":{"type":"string"}}`
	permission = `{"type":"object","additionalProperties":false,"required":["id","label"],"properties":{"id":{"type":"string"},"label":{"type":"string"}}}`
	person     = `{"type":"object","additionalProperties":false,"required":["is_you"],"properties":{` +
		`"name":{"type":"string"},"email":{"type":"string"},"is_you":{"type":"boolean"}}}`

	appProperties = `"id":{"type":"string"},"name":{"type":"string"},"description":{"type":"string"},` +
		`"category":{"type":"string"},"website_url":{"type":"string"}`

	requestOut = `{"type":"object","additionalProperties":false,"required":["id","app_id","app_name","status","state","permissions"],"properties":{` +
		`"id":{"type":"string"},"app_id":{"type":"string"},"app_name":{"type":"string"},` +
		`"status":{"type":"string","description":"The App Store's own status."},` +
		`"state":{"type":"string","enum":["open","granted","refused","ended","unknown"]},` +
		`"requested_at":` + timeOut + `,"expires_at":` + timeOut + `,` +
		`"access_seconds":{"type":"integer","description":"How long the access lasts once given; absent if without end."},` +
		`"permissions":{"type":"array","items":` + permission + `},` +
		`"requester":` + person + `,"target":` + person + `,` +
		`"notes":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["status","text"],` +
		`"properties":{"status":{"type":"string"},"text":{"type":"string"}}}},` +
		`"answers":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["question"],` +
		`"properties":{"question":{"type":"string"},"answer":{"type":"string"}}}},` +
		`"tasks":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["kind","status"],` +
		`"properties":{"kind":{"type":"string"},"status":{"type":"string"},"description":{"type":"string"},"assignees":` + stringsOut + `}}}}}`
)

var (
	searchAppsOutput = object(`"apps","page","has_more","next_step"`,
		`"apps":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["id","name"],"properties":{`+appProperties+`}}},`+
			pageOut+`,`+totalOut+`,`+nextStep)

	getAppOutput = object(`"id","name","permission_selection","access_lengths","next_step"`,
		appProperties+`,`+
			`"instructions":{"type":"string","description":"The company's words to requesters of this app."},`+
			`"redirect_url":{"type":"string","description":"If present, access is requested at this address and not here."},`+
			`"permission_selection":{"type":"string","enum":["none","one","several","unknown"],`+
			`"description":"none: request the app alone. one, several: choose permission_ids from list_requestable_permissions."},`+
			`"access_lengths":{"type":"array","items":{"type":"string"},"description":"Lengths offered for the app alone; empty: no choice."},`+
			`"default_access_length":{"type":"string"},`+
			`"default_permission":`+permission+`,`+
			`"manager_approval":{"type":"boolean","description":"The user's manager approves first."},`+
			`"manual_steps":{"type":"boolean","description":"A person completes the request by hand."},`+
			nextStep)

	listPermissionsOutput = object(`"permissions","page","has_more","next_step"`,
		`"permissions":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["id","label","access_lengths"],"properties":{`+
			`"id":{"type":"string"},"label":{"type":"string"},`+
			`"access_lengths":{"type":"array","items":{"type":"string"},"description":"Lengths offered; empty: no choice."},`+
			`"manager_approval":{"type":"boolean"}}}},`+
			pageOut+`,`+totalOut+`,`+nextStep)

	listRequestsOutput = object(`"requests","page","has_more","next_step"`,
		`"requests":{"type":"array","items":`+requestOut+`},`+pageOut+`,`+
			`"incomplete":{"type":"boolean","description":"Older requests exist that were not searched for this app."},`+nextStep)

	getRequestOutput = object(`"request","next_step"`, `"request":`+requestOut+`,`+nextStep)

	submitOutput = object(`"outcome","request","next_step"`,
		`"outcome":{"type":"string","enum":["created","deduped"],"description":"created: a new request. deduped: the user's open request for the same thing; nothing was submitted."},`+
			`"access_length":{"type":"string","description":"The length that was asked for; absent if without end or not chosen."},`+
			`"request":`+requestOut+`,`+nextStep)

	cancelOutput = object(`"outcome","request","next_step"`,
		`"outcome":{"type":"string","enum":["updated","deduped"],"description":"updated: now cancelled. deduped: it was cancelled before."},`+
			`"request":`+requestOut+`,`+nextStep)
)
