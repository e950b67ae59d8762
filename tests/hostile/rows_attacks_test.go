package hostile_test

// attacks were published, with an advisory or without.
var attacks = []row{
	{id: "H1", rule: "PKCE left out at either end (CVE-2025-4144)", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "H2", rule: "a redirect URI that is checked too late (CVE-2025-4143)", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
	}},
	{id: "H3", rule: "hosts and paths that parsers read in two ways", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
		"tests/hostile TestAuthorizationEndpoint/a loopback redirect may change its port only",
		"authz/oauth TestMatchRedirectURI",
	}},
	{id: "H4", rule: "schemes that run code; names that deceive", tests: []string{
		"tests/hostile TestRegistration/redirect URIs that lead elsewhere are refused",
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
		"tests/hostile TestPages/no page leads to another site",
		"authz/web TestEveryPageIsCleanAndGuarded",
	}},
	{id: "H5", rule: "one client inherits the consent for another", tests: []string{
		"tests/hostile TestSignInAndConsent/one client's consent is not another's",
	}},
	{id: "H6", rule: "a sign-in that is finished in another browser (GHSA-rww4-4w9c-7733)", tests: []string{
		"tests/hostile TestSignInAndConsent/a sign-in ends in the browser that began it",
	}},
	{id: "H7", rule: "forged, foreign or repeated consents; framing", tests: []string{
		"tests/hostile TestSignInAndConsent/a consent that the page did not send gives no code",
		"tests/hostile TestSignInAndConsent/the back button makes no second code",
		"tests/hostile TestPages/no page is framed, cached or sniffed",
	}},
	{id: "H8", rule: "a borrowed name with a listener of its own", tests: []string{
		"tests/hostile TestSignInAndConsent/a borrowed name stays unverified",
		"tests/hostile TestMetadataDocuments",
		"authz/client TestNamesOfOtherProductsAreMarked",
	}},
	{id: "H9", rule: "registrations that ask for too much (CVE-2026-26384 to 26390)", tests: []string{
		"tests/hostile TestRegistration/redirect URIs that lead elsewhere are refused",
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
		"tests/hostile TestRegistration/the server decides what is registered",
	}},
	{id: "H10", rule: "a client id that makes the server fetch (CVE-2026-45609)", tests: []string{
		"tests/hostile TestAClientIDIsNoAddressToFetch",
		"internal/safehttp TestNameIsJudgedByTheAddressThatIsDialled",
		"internal/safehttp TestCompressedAnswerIsRefusedUnread",
		"internal/safehttp TestTimeIsBoundedForTheExchangeAsAWhole",
	}},
	{id: "H11", rule: "a document that changes after the consent", tests: []string{
		"authz/document TestChangeAfterConsentIsSeenAndAsksAgain",
		"authz/document TestDocumentThatTurnsToASharedSecretIsRefusedAndTheLastGoodCopyStays",
	}},
	{id: "H12", rule: "codes stolen, repeated, forged", tests: []string{
		"tests/hostile TestCodeRedemption/a code works once",
		"tests/hostile TestCodeRedemption/of parallel redemptions one succeeds",
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"tests/hostile TestCodeRedemption/a code ends with its lifetime",
	}},
	{id: "H13", rule: "refresh tokens stolen, repeated, widened", tests: []string{
		"tests/hostile TestAReplayedRefreshTokenEndsItsFamily",
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
		"authz/grant TestAFamilyEndsIdleOrAbsolutelyAndThatIsNoTheft",
	}},
	{id: "H14", rule: "revoking what is somebody else's", tests: []string{
		"tests/hostile TestRevocation/whatever is not one's own stays alive",
		"tests/hostile TestRevocation/a wrong hint does not save a token",
		"tests/hostile TestRevocation/malformed revocations are refused in JSON",
	}},
	{id: "H15", rule: "tokens of other kinds, places and audiences", tests: []string{
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
		"tests/hostile TestIdentityAndRouting/headers cannot speak for a person",
	}},
	{id: "H16", rule: "mix-up of issuers", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestSignInAndConsent/an answer of another provider signs nobody in",
		"authz/idp/oidc TestTheIssOfTheAuthorizationResponse",
		"authz/idp/oidc TestAnIDTokenThatIsNotBelieved",
	}},
	{id: "H17", rule: "an old protocol version that skips the check", tests: []string{
		"tests/hostile TestMCPEndpoint/no version of the protocol skips the check",
		"tests/hostile TestMCPEndpoint/headers cannot say something else than the body",
	}},
	{id: "H18", rule: "a second door: hidden tools, domains that are off", tests: []string{
		"tests/hostile TestIdentityAndRouting/what is not offered does not exist",
		"tests/e2e TestPolicyChangesBiteAtTheNextRequest",
	}},
	{id: "H19", rule: "headers that inner parts trust", tests: []string{
		"tests/hostile TestIdentityAndRouting/no header opens a second door",
	}},
	{id: "H20", rule: "identity headers of the caller", tests: []string{
		"tests/hostile TestIdentityAndRouting/headers cannot speak for a person",
	}},
	{id: "H21", rule: "hosts and paths in another case", tests: []string{
		"tests/hostile TestIdentityAndRouting/a path in another spelling is no way around",
		"tests/hostile TestIdentityAndRouting/a host in another spelling is no way around",
	}},
	{id: "H22", rule: "other methods without a token", tests: []string{
		"tests/hostile TestMCPEndpoint/what is not an MCP request is not let through",
	}},
	{id: "H23", rule: "sessions of others", tests: []string{
		"tests/hostile TestMCPEndpoint/what belongs to a session is nobody's",
	}},
	{id: "H24", rule: "DNS rebinding", tests: []string{
		"tests/hostile TestMCPEndpoint/pages of other origins are refused",
		"tests/hostile TestIdentityAndRouting/a host in another spelling is no way around",
		"tests/hostile TestIdentityAndRouting/the admin endpoint is not on the network",
	}},
	{id: "H25", rule: "answers that cross from one person to another", tests: []string{
		"tests/e2e TestTwoPeopleOverOneConnectionPoolAreNeverMixedUp",
	}},
	{id: "H26", rule: "arguments that leave their place", tests: []string{
		"tests/hostile TestMCPEndpoint/arguments stay in their place",
	}},
	{id: "H27", rule: "texts of the backend that give orders", tests: []string{
		"mcpbridge/toolset/appstore TestWhatTheBackendWroteIsCleanInTheResult",
		"mcpbridge/result TestTextIsCleanAndBounded",
		"mcpbridge/toolset/appstore TestTheListIsWhatClientsArePromised",
	}},
	{id: "H28", rule: "identity assertions between companies", outside: "not offered: the only grant types are codes and refresh tokens"},
	{id: "H29", rule: "redirects after the sign-in, poisoned proxy headers, reflected text, a state used twice", tests: []string{
		"tests/hostile TestPages/no page leads to another site",
		"tests/hostile TestPages/no page is framed, cached or sniffed",
		"tests/hostile TestSignInAndConsent/a sign-in ends in the browser that began it",
	}},
	{id: "H30", rule: "exhaustion", tests: []string{
		"tests/hostile TestExhaustion/sign-ins that nobody finishes leave nothing behind",
		"tests/hostile TestExhaustion/connections that say nothing keep nobody out",
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
		"tests/hostile TestLimits/a grant that rotates without end is slowed down and lives on",
		"authz TestOneAddressGetsItsShareOnly",
	}},
	{id: "H31", rule: "text that breaks the lines of a log", tests: []string{
		"tests/hostile TestExhaustion/what was sent does not break a line of the audit trail",
		"tests/hostile TestNoSecretIsWrittenAnywhere",
	}},
	{id: "H32", rule: "the admin plane", tests: []string{
		"tests/hostile TestIdentityAndRouting/the admin endpoint is not on the network",
	}},
}

// clientRows are what real assistants were seen to need.
var clientRows = []row{
	{id: "K30", rule: "a page that names the redirect address received and those registered", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
		"authz/authorize TestTheRefusalOfARedirectURINamesWhatWasReceivedAndWhatIsRegistered",
	}},
	{id: "K31", rule: "loopback addresses match by all but the port; localhost is not 127.0.0.1", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
		"tests/hostile TestAuthorizationEndpoint/a loopback redirect may change its port only",
	}},
	{id: "K32", rule: "parameters that are not ours are ignored", tests: []string{
		"tests/hostile TestForms/what is not ours is ignored",
		"authz/authorize TestParametersThatAreNotOursAreIgnored",
	}},
	{id: "K33", rule: "S256 for everyone", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "K34", rule: "a resource in another spelling is the same; without one the default is meant", tests: []string{
		"tests/hostile TestForms/a resource has several spellings and no neighbours",
	}},
	{id: "K35", rule: "unknown scopes are dropped", tests: []string{
		"tests/hostile TestForms/what is not ours is ignored",
		"authz/authorize TestScopesThatTheResourceDoesNotHaveAreDropped",
	}},
	{id: "K36", rule: "iss in every response", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestSignInAndConsent/a denial is no approval",
		"tests/hostile TestForms/what is not ours is ignored",
	}},
	{id: "K37", rule: "state of 2 KiB with any characters; the browser arrives by GET", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/state comes back byte for byte",
		"tests/hostile TestPages/no page is framed, cached or sniffed",
	}},
	{id: "K38", rule: "loopback clients are asked each time and warned about", tests: []string{
		"tests/hostile TestSignInAndConsent/one client's consent is not another's",
		"authz/consent TestTheConsentPageSaysWhatIsAtStake",
	}},
	{id: "K39", rule: "codes that people paste by hand live for minutes", outside: "decided otherwise: a code lives 60 s, which was promised; H12 pins it"},
	{id: "K40", rule: "none, Basic and post as registered, also form-encoded", tests: []string{
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
		"authz/client TestClientProvesItselfByTheMethodThatItRegistered",
	}},
	{id: "K41", rule: "the members that clients need, the lifetime as a number", tests: []string{
		"tests/hostile TestForms/a token answer is what clients read",
	}},
	{id: "K42", rule: "error codes that make clients recover", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
	}},
	{id: "K43", rule: "a resource may be left out of a refresh", tests: []string{
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
		"tests/hostile TestForms/a resource has several spellings and no neighbours",
	}},
	{id: "K44", rule: "a refresh may repeat its scopes and add those of other worlds", tests: []string{
		"tests/hostile TestForms/what is not ours is ignored",
		"authz/grant TestScopesOfARefresh",
	}},
	{id: "K45", rule: "parallel refreshes get one pair; retries of dead tokens stay cheap", tests: []string{
		"tests/hostile TestRefreshTokens/of parallel refreshes all get one successor",
		"authz/grant TestFiftyRefreshesOfOneTokenGetOneSuccessorForOneWrite",
		"authz/token TestAFloodOfRefusalsIsSampledByGrantAndReason",
	}},
	{id: "K46", rule: "access tokens live for minutes at least", tests: []string{
		"tests/hostile TestForms/a token answer is what clients read",
	}},
}

// edges are the cases at the border of each endpoint.
var edges = []row{
	{id: "E1", rule: "unknown client", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
	}},
	{id: "E2", rule: "unregistered redirect URI", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
	}},
	{id: "E3", rule: "a registered one in another spelling", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
	}},
	{id: "E4", rule: "loopback: another port yes, all else no", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
		"tests/hostile TestAuthorizationEndpoint/a loopback redirect may change its port only",
	}},
	{id: "E5", rule: "two redirect URIs", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
	}},
	{id: "E6", rule: "two scopes", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "E7", rule: "no challenge", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "E8", rule: "plain, or no method", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "E9", rule: "resources that are not ours", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestForms/a resource has several spellings and no neighbours",
	}},
	{id: "E10", rule: "response_type token", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "E11", rule: "a preflight", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/is not for scripts",
	}},
	{id: "E12", rule: "a frame", tests: []string{
		"tests/hostile TestPages/no page is framed, cached or sniffed",
	}},
	{id: "E13", rule: "state with line breaks or over 2 KiB", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestAuthorizationEndpoint/state comes back byte for byte",
	}},
	{id: "E14", rule: "client ids that lead inside", tests: []string{
		"tests/hostile TestAClientIDIsNoAddressToFetch",
		"internal/safehttp TestOnlyStatus200IsAnAnswer",
		"internal/safehttp TestAnswerIsBounded",
		"internal/safehttp TestTimeIsBoundedForTheExchangeAsAWhole",
	}},
	{id: "E15", rule: "consents that are forged", tests: []string{
		"tests/hostile TestSignInAndConsent/a consent that the page did not send gives no code",
	}},
	{id: "E16", rule: "the back button", tests: []string{
		"tests/hostile TestSignInAndConsent/the back button makes no second code",
		"tests/hostile TestSignInAndConsent/two views of the page make one code",
	}},
	{id: "E17", rule: "a callback with the state of another browser", tests: []string{
		"tests/hostile TestSignInAndConsent/a sign-in ends in the browser that began it",
	}},
	{id: "E18", rule: "GET", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "E19", rule: "JSON or a query in place of a form", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "E20", rule: "two codes", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
		"tests/hostile TestForms/no parameter is read twice",
	}},
	{id: "E21", rule: "a wrong verifier leaves the code good", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"tests/hostile TestCodeRedemption/a wrong verifier costs the code at the fifth time only",
	}},
	{id: "E22", rule: "a second valid redemption", tests: []string{
		"tests/hostile TestCodeRedemption/a code works once",
	}},
	{id: "E23", rule: "parallel redemptions", tests: []string{
		"tests/hostile TestCodeRedemption/of parallel redemptions one succeeds",
	}},
	{id: "E24", rule: "a code after its end", tests: []string{
		"tests/hostile TestCodeRedemption/a code ends with its lifetime",
	}},
	{id: "E25", rule: "a code with another client, redirect URI or resource", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
	}},
	{id: "E26", rule: "an unknown client", tests: []string{
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
	}},
	{id: "E27", rule: "bad Basic", tests: []string{
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
	}},
	{id: "E28", rule: "Basic and a secret in the body", tests: []string{
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
	}},
	{id: "E29", rule: "a wider scope leaves the token good", tests: []string{
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
	}},
	{id: "E30", rule: "50 parallel refreshes", tests: []string{
		"tests/hostile TestRefreshTokens/of parallel refreshes all get one successor",
	}},
	{id: "E31", rule: "the predecessor inside and after the grace", tests: []string{
		"tests/hostile TestAReplayedRefreshTokenEndsItsFamily",
		"authz/grant TestARetryInsideTheGraceGetsTheIdenticalPair",
	}},
	{id: "E32", rule: "the grand-predecessor", tests: []string{
		"tests/hostile TestAReplayedRefreshTokenEndsItsFamily",
	}},
	{id: "E33", rule: "a refresh after and beside a revocation", tests: []string{
		"tests/hostile TestRefreshTokens/a revoked grant is not refreshed",
		"tests/hostile TestRefreshTokens/a refresh that races a revocation gives nothing that works",
	}},
	{id: "E34", rule: "idle and absolute end", tests: []string{
		"authz/grant TestAFamilyEndsIdleOrAbsolutelyAndThatIsNoTheft",
	}},
	{id: "E35", rule: "the store is down", tests: []string{
		"tests/hostile TestAStoreThatCannotWriteIsAnOutageAndNoRefusal",
	}},
	{id: "E36", rule: "1 MiB", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "E37", rule: "redirect URIs that lead elsewhere", tests: []string{
		"tests/hostile TestRegistration/redirect URIs that lead elsewhere are refused",
	}},
	{id: "E38", rule: "no redirect URI", tests: []string{
		"tests/hostile TestRegistration/redirect URIs that lead elsewhere are refused",
	}},
	{id: "E39", rule: "names that deceive or never end", tests: []string{
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
	}},
	{id: "E40", rule: "duplicates, depth and size", tests: []string{
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
	}},
	{id: "E41", rule: "a flood of registrations: bounded rows, 429 with Retry-After", tests: []string{
		"tests/hostile TestAFloodOfRegistrationsFillsNothingAndStopsNobody/different ones",
		"authz/client TestAFloodOfDifferentRegistrationsIsBoundedAndLeavesRoom",
	}},
	{id: "E42", rule: "a client that asks for a secret", tests: []string{
		"tests/hostile TestRegistration/the server decides what is registered",
	}},
	{id: "E43", rule: "an unknown token", tests: []string{
		"tests/hostile TestRevocation/whatever is not one's own stays alive",
	}},
	{id: "E44", rule: "another client's token", tests: []string{
		"tests/hostile TestRevocation/whatever is not one's own stays alive",
	}},
	{id: "E45", rule: "a wrong hint", tests: []string{
		"tests/hostile TestRevocation/a wrong hint does not save a token",
	}},
	{id: "E46", rule: "a refresh token takes all along", tests: []string{
		"tests/hostile TestRevocation/a refresh token takes its access tokens along",
	}},
	{id: "E47", rule: "the store is down", tests: []string{
		"tests/hostile TestAStoreThatCannotWriteIsAnOutageAndNoRefusal",
	}},
	{id: "E48", rule: "no token", tests: []string{
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
	}},
	{id: "E49", rule: "a token in the query", tests: []string{
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
	}},
	{id: "E50", rule: "a token of another resource", tests: []string{
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
	}},
	{id: "E51", rule: "random tokens", tests: []string{
		"tests/hostile TestRandomBearerTokensCostNoRead",
		"tests/hostile TestHonestCallsGoOnDuringAFloodOfRandomTokens",
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
	}},
	{id: "E52", rule: "identity headers", tests: []string{
		"tests/hostile TestIdentityAndRouting/headers cannot speak for a person",
	}},
	{id: "E53", rule: "a foreign origin", tests: []string{
		"tests/hostile TestMCPEndpoint/pages of other origins are refused",
	}},
	{id: "E54", rule: "header and body disagree", tests: []string{
		"tests/hostile TestMCPEndpoint/headers cannot say something else than the body",
	}},
	{id: "E55", rule: "duplicate or misspelt members", tests: []string{
		"tests/hostile TestMCPEndpoint/a message can be read in one way only",
	}},
	{id: "E56", rule: "scope and role", tests: []string{
		"tests/hostile TestMCPEndpoint/a missing scope is challenged, a missing role is not",
	}},
	{id: "E57", rule: "a revocation during a stream", outside: "no stream is offered: GET answers 405"},
	{id: "E58", rule: "two lengths", tests: []string{
		"tests/hostile TestRequestFraming",
	}},
}
