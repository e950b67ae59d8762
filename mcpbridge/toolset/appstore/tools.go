package appstore

import "github.com/teamlumos/mcp-edge/mcpbridge/toolset"

// The names of the tools.
const (
	toolSearchApps      = "search_apps"
	toolGetApp          = "get_app"
	toolListPermissions = "list_requestable_permissions"
	toolListRequests    = "list_access_requests"
	toolGetRequest      = "get_access_request"
	toolSubmit          = "submit_access_request"
	toolCancel          = "cancel_access_request"
)

// definitions are the tools in the order of the way through a request. A
// description says when to use the tool, what to call before it and what comes
// back: it is all that a model knows.
var definitions = []definition{
	{
		name:  toolSearchApps,
		title: "Search apps",
		description: "Find apps that the user can request in the company's App Store, by name. " +
			"Use it first whenever the user names an app: all other tools need the app's id. " +
			"Returns id, name, description and category of each app. No match: try a shorter part of the name.",
		input: searchAppsInput, output: searchAppsOutput,
		annotations: toolset.Annotations{ReadOnly: true, Idempotent: true},
		need:        needApps,
		runner:      bind((*Set).searchApps),
	},
	{
		name:  toolGetApp,
		title: "Get app",
		description: "Show how access to one app is requested: the company's instructions, whether permissions are chosen, " +
			"which access lengths are offered, who approves. Call it with an id from search_apps before submit_access_request.",
		input: getAppInput, output: getAppOutput,
		annotations: toolset.Annotations{ReadOnly: true, Idempotent: true},
		need:        needApps,
		runner:      bind((*Set).getApp),
	},
	{
		name:  toolListPermissions,
		title: "List requestable permissions",
		description: "List the permissions (roles, groups, licences) of one app that the user can request. " +
			"Use it when get_app says permission_selection is one or several. " +
			"Returns each permission's id, label and access lengths. Let the user choose; prefer the least that does the job.",
		input: listPermissionsInput, output: listPermissionsOutput,
		annotations: toolset.Annotations{ReadOnly: true, Idempotent: true},
		need:        needApps,
		runner:      bind((*Set).listPermissions),
	},
	{
		name:  toolListRequests,
		title: "List access requests",
		description: "List the user's own access requests, the newest first: what waits for approval (the default), " +
			"what was granted, refused or has ended. Use it for questions like \"what happened to my request\", " +
			"\"what do I have access to\", and after a submission whose outcome is unknown.",
		input: listRequestsInput, output: listRequestsOutput,
		annotations: toolset.Annotations{ReadOnly: true, Idempotent: true},
		need:        needRequests,
		runner:      bind((*Set).listRequests),
	},
	{
		name:  toolGetRequest,
		title: "Get access request",
		description: "Show one of the user's access requests with its status, notes and, on demand, who has to act on it. " +
			"Needs an id from list_access_requests or submit_access_request.",
		input: getRequestInput, output: getRequestOutput,
		annotations: toolset.Annotations{ReadOnly: true, Idempotent: true},
		need:        needRequests,
		runner:      bind((*Set).getRequest),
	},
	{
		name:  toolSubmit,
		title: "Submit access request",
		description: "Request access to an app for the user. People approve it; it grants nothing by itself. " +
			"Before: search_apps for the id, get_app for the rules, list_requestable_permissions if permissions are chosen. " +
			"Ask the user for the justification and confirm app, permissions and length with them. " +
			"If the user already has an open request for the same thing, that one is returned (deduped) and nothing is submitted. " +
			"Give an idempotency_key, so that the call can be repeated safely when no answer arrives. " +
			"If the outcome is unknown, do not submit anew: repeat the call with the same idempotency_key, or call list_access_requests.",
		input: submitInput, output: submitOutput,
		annotations: toolset.Annotations{}, // adds a request, each time it is called
		need:        needCreate,
		runner:      bind((*Set).submit),
		find:        findBy((*Set).findSubmitted),
	},
	{
		name:  toolCancel,
		title: "Cancel access request",
		description: "Cancel one of the user's open access requests. It cannot be undone. " +
			"Needs an id from list_access_requests; confirm with the user which one. Requests that are granted, refused or ended cannot be cancelled.",
		input: cancelInput, output: cancelOutput,
		annotations: toolset.Annotations{Destructive: true, Idempotent: true},
		need:        needCancel,
		runner:      bind((*Set).cancelRequest),
		find:        findBy((*Set).findCancelled),
	},
}
