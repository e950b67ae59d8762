package authorize

import (
	"fmt"
	"net/http"

	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/web"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// notAdmitted says which layer of the policy refuses, and the remedy.
func notAdmitted(why reason.Reason, client store.Client, u store.User) web.Fault {
	page := web.Fault{Status: http.StatusForbidden, Reason: why}
	switch why {
	case reason.ClientNotAllowed:
		page.Title = "This assistant is not allowed yet"
		page.What = fmt.Sprintf("%s has not allowed %s to connect.", u.Domain, profileName(client))
		page.Todo = fmt.Sprintf("Your administrator adds %q to `clients` of domain %s. Then connect again.", client.Profile, u.Domain)
	case reason.UserNotAllowed:
		page.Title = "Your account may not use this gateway"
		page.What = fmt.Sprintf("Your account is not among those that %s lets use it.", u.Domain)
		page.Todo = fmt.Sprintf("Your administrator adds you to a group in `users` of domain %s. Then sign out, and connect again.", u.Domain)
	default:
		page.Title = "Your organization has not turned this on"
		page.What = fmt.Sprintf("The domain %s is off here.", u.Domain)
		page.Todo = fmt.Sprintf("Your administrator turns on domain %s. Then connect again.", u.Domain)
	}
	return page
}

// profileName is how a client is named to its person: by what an administrator
// would write, beside the name that the client gave itself.
func profileName(client store.Client) string {
	if client.Name == "" || client.Name == client.Profile {
		return "the assistant " + client.Profile
	}
	return client.Name + " (" + client.Profile + ")"
}

func unknownPerson(u store.User) web.Fault {
	return web.Fault{
		Status: http.StatusForbidden, Reason: reason.UserUnknown,
		Title: "You have no account in the service",
		What:  fmt.Sprintf("You are signed in as %s, but the service behind this gateway knows nobody by that address.", u.Email),
		Todo:  "Ask your administrator to create your account there, or sign in with another one.",
	}
}

func inactivePerson(u store.User) web.Fault {
	return web.Fault{
		Status: http.StatusForbidden, Reason: reason.UserNotActive,
		Title: "Your account is not active",
		What:  fmt.Sprintf("The service behind this gateway has an account for %s, but it is not active.", u.Email),
		Todo:  "Ask your administrator to activate your account there.",
	}
}
