// Package authz puts the authorization server together: it gives each endpoint
// what it needs and each path its endpoint.
//
// Owns: the wiring, the list of paths, and how often anyone may ask.
//
// Does not own: any other rule. What a token may do is decided in grant and policy,
// what a person is asked in consent, who a client is in client; the packages
// below are one protocol step each.
//
//	oauth                vocabulary: errors, parameters, PKCE, redirect URIs
//	client               host profiles, registration, client authentication
//	document             clients known by their metadata document
//	authorize            the authorization endpoint
//	login, idp, session  signing people in
//	consent              asking them
//	grant                codes, tokens, rotation, revocation: the rules
//	token, revoke        the endpoints in front of grant
//	introspect           the one for resource servers
//	discovery            metadata documents
//	policy               who may do what
//	limit                how often it was done
//	audit                who did what
//	keys, opaque         secrets of the server, form of credentials
//	store                what is kept
//	web                  pages
//
// Trust: what it is given was checked when the configuration was loaded.
package authz
