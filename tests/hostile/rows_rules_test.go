package hostile_test

// rules are what the authorization server must do, by endpoint.
var rules = []row{
	{id: "G1", rule: "TLS only; a plain request gets neither a token nor a redirect", tests: []string{
		"tests/hostile TestForms/without TLS there is nothing",
	}},
	{id: "G2", rule: "a parameter comes at most once, an empty one counts as absent, an unknown one is ignored", tests: []string{
		"tests/hostile TestForms/no parameter is read twice",
		"tests/hostile TestForms/what is not ours is ignored",
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "G3", rule: "no cache keeps a token, a code, a secret or an error about one", tests: []string{
		"tests/hostile TestForms/a token answer is what clients read",
		"tests/hostile TestPages/no page is framed, cached or sniffed",
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "G4", rule: "error texts are printable ASCII without quote and backslash, and echo nothing", tests: []string{
		"tests/hostile TestGeneratedRequestsAreAnsweredWithinTheMatrix",
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "G5", rule: "credentials cannot be guessed: 256 random bits", tests: []string{
		"authz/opaque TestTwoCredentialsForTheSamePurposeDiffer",
		"authz/opaque TestAnIDHas128Bits",
		"tests/hostile TestForms/a token answer is what clients read",
	}},
	{id: "G6", rule: "no 307 or 308 after a request with credentials", tests: []string{
		"tests/hostile TestPages/no page is framed, cached or sniffed",
	}},
	{id: "G7", rule: "issuer, endpoints and resource come from the configuration, never from the request", tests: []string{
		"tests/hostile TestIdentityAndRouting/discovery answers what is configured",
		"tests/hostile TestPages/no page leads to another site",
		"authz/discovery TestNothingOfTheRequestReachesADocument",
		"caddymodule TestARequestForAnotherHostIsMisdirected",
	}},
	{id: "G8", rule: "bodies, queries and the number of parameters are bounded", tests: []string{
		"tests/hostile TestForms/too much is refused at each page",
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
	}},
	{id: "D1", rule: "metadata at the address of RFC 8414; a clear 404 where nothing is served", tests: []string{
		"tests/hostile TestIdentityAndRouting/discovery answers what is configured",
		"authz/discovery TestServerSiteServesOneDocumentUnderBothNames",
	}},
	{id: "D2", rule: "the issuer is byte for byte the configured one", tests: []string{
		"tests/hostile TestIdentityAndRouting/discovery answers what is configured",
		"authz/discovery TestIssuerThatClientsCouldNotCompareIsRefused",
	}},
	{id: "D3", rule: "code_challenge_methods_supported is S256 alone", tests: []string{
		"authz/discovery TestServerMetadataStatesExactlyWhatAnswers",
	}},
	{id: "D4", rule: "iss in authorization responses is advertised", tests: []string{
		"authz/discovery TestServerMetadataStatesExactlyWhatAnswers",
	}},
	{id: "D5", rule: "what is turned off is not advertised", tests: []string{
		"authz TestWhatIsTurnedOffIsNeitherAnsweredNorAdvertised",
	}},
	{id: "D6", rule: "members without elements are left out", tests: []string{
		"authz/discovery TestMembersWithoutElementsAreLeftOut",
	}},
	{id: "D7", rule: "metadata of a resource at its path, with its very address", tests: []string{
		"tests/hostile TestIdentityAndRouting/discovery answers what is configured",
		"authz/discovery TestResourceSiteServesEachResourceAtItsPath",
		"authz/discovery TestResourceThatClientsCouldNotCompareIsRefused",
	}},
	{id: "D8", rule: "offline_access is advertised nowhere", tests: []string{
		"tests/hostile TestIdentityAndRouting/discovery answers what is configured",
	}},
	{id: "D9", rule: "documents are JSON with an ETag and may be cached; unknown ones are a 404 in JSON", tests: []string{
		"tests/hostile TestForms/scripts of other origins reach what has no cookies",
		"tests/hostile TestIdentityAndRouting/discovery answers what is configured",
		"authz/discovery TestKnownDocumentIsNotSentAgain",
	}},
	{id: "D10", rule: "codes and tokens have at most 200 bytes", tests: []string{
		"tests/hostile TestForms/a token answer is what clients read",
	}},
	{id: "A1", rule: "GET only", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/is not for scripts",
	}},
	{id: "A2", rule: "no CORS at the authorization endpoint", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/is not for scripts",
		"tests/hostile TestForms/scripts of other origins reach what has no cookies",
	}},
	{id: "A3", rule: "no redirect while client or redirect URI is in doubt", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
		"tests/hostile TestAClientIDIsNoAddressToFetch",
		"authz/authorize TestNothingIsSentToAnAddressThatIsNotRegistered",
	}},
	{id: "A4", rule: "redirect URIs are compared as strings; the port of a loopback one may differ", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/never redirects to whom it does not know",
		"tests/hostile TestAuthorizationEndpoint/a loopback redirect may change its port only",
		"authz/oauth TestMatchRedirectURI",
	}},
	{id: "A5", rule: "only https and loopback redirect URIs, and what a profile lists, can be registered", tests: []string{
		"tests/hostile TestRegistration/redirect URIs that lead elsewhere are refused",
		"authz/oauth TestParseRedirectURIRefusesWhatLeadsToNoClient",
	}},
	{id: "A6", rule: "PKCE by S256 for every client", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "A7", rule: "response_type is code", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "A8", rule: "state comes back byte for byte, and iss with it, on errors too", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/state comes back byte for byte",
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
	}},
	{id: "A9", rule: "one resource, in its canonical form; the only one where none is named", tests: []string{
		"tests/hostile TestForms/a resource has several spellings and no neighbours",
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"authz/authorize TestResourceIsComparedInItsCanonicalForm",
	}},
	{id: "A10", rule: "no redirect to a client before the sign-in", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestRegistration/a registration grants nothing",
		"authz/authorize TestErrorsReachTheClientOnlyAfterTheSignIn",
	}},
	{id: "A11", rule: "the errors that reach a client; a store that is down is a page", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestSignInAndConsent/a denial is no approval",
		"authz/authorize TestAStoreThatIsDownIsAnError503AndNeverARefusal",
	}},
	{id: "A12", rule: "a code lives shortly and is bound to all that it was issued for", tests: []string{
		"tests/hostile TestCodeRedemption/a code ends with its lifetime",
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"authz/authorize TestAnApprovalHoldsWhatWasAskedAndWhoWasAsked",
	}},
	{id: "A13", rule: "request objects, other response modes and prompt=none are refused; prompt, max_age and login_hint are heeded", tests: []string{
		"tests/hostile TestAuthorizationEndpoint/errors reach the client only after the sign-in",
		"tests/hostile TestForms/what is not ours is ignored",
		"authz/login TestASessionIsUsedAgainUnlessTheRequestAsksForMore",
		"authz/login TestTheWayToTheIdentityProvider",
	}},
	{id: "C1", rule: "the consent page names assistant, redirect host, scopes, resource and account", tests: []string{
		"tests/hostile TestSignInAndConsent/one client's consent is not another's",
		"authz/consent TestTheConsentPageSaysWhatIsAtStake",
	}},
	{id: "C2", rule: "consent is for one client, and there is no code before it", tests: []string{
		"tests/hostile TestSignInAndConsent/one client's consent is not another's",
		"tests/hostile TestSignInAndConsent/a borrowed name stays unverified",
	}},
	{id: "C3", rule: "a client that nobody vouches for is asked for each time", tests: []string{
		"tests/hostile TestSignInAndConsent/one client's consent is not another's",
		"tests/hostile TestMetadataDocuments",
	}},
	{id: "C4", rule: "no page can be framed", tests: []string{
		"tests/hostile TestPages/no page is framed, cached or sniffed",
		"authz/authorize TestNoPageCanBeFramed",
	}},
	{id: "C5", rule: "a strict content policy without form-action where a form leads on", tests: []string{
		"tests/hostile TestPages/no page is framed, cached or sniffed",
		"authz/web TestEveryPageIsCleanAndGuarded",
	}},
	{id: "C6", rule: "a consent comes from its page, once", tests: []string{
		"tests/hostile TestSignInAndConsent/a consent that the page did not send gives no code",
		"authz/web TestAFormIsTakenFromOurOwnPagesOnly",
	}},
	{id: "C7", rule: "__Host- cookies, a new session at each sign-in", tests: []string{
		"tests/hostile TestPages/no page is framed, cached or sniffed",
		"authz/login TestEverySignInBeginsANewSession",
	}},
	{id: "C8", rule: "the sign-in at the provider is bound to the browser, used once, and from the right provider", tests: []string{
		"tests/hostile TestSignInAndConsent/a sign-in ends in the browser that began it",
		"tests/hostile TestSignInAndConsent/an answer of another provider signs nobody in",
		"authz/session TestAnUpstreamSignInIsUsedOnceAndInItsOwnBrowser",
	}},
	{id: "C9", rule: "approving is a POST; the page shows the account and offers another one", tests: []string{
		"tests/hostile TestSignInAndConsent/a consent that the page did not send gives no code",
		"authz/consent TestUsingAnotherAccountAsksTheSameQuestionAgain",
	}},
	{id: "T1", rule: "POST of a form only; the query is not read", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "T2", rule: "of parallel redemptions one succeeds", tests: []string{
		"tests/hostile TestCodeRedemption/of parallel redemptions one succeeds",
		"authz/grant TestOfFiftyRedemptionsOfOneCodeOneSucceeds",
	}},
	{id: "T3", rule: "a second valid redemption ends what the first gave; an invalid one does not", tests: []string{
		"tests/hostile TestCodeRedemption/a code works once",
		"authz/grant TestAWrongReplayRevokesNothing",
	}},
	{id: "T4", rule: "the verifier fits the challenge and is well formed", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
	}},
	{id: "T5", rule: "all dead codes get the same answer", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
	}},
	{id: "T6", rule: "a redirect URI that is sent is the one that was used", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"authz/grant TestRedeemAcceptsWhatIsOptionalOrEqual",
	}},
	{id: "T7", rule: "a resource that is sent is the one that was approved", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"tests/hostile TestForms/a resource has several spellings and no neighbours",
	}},
	{id: "T8", rule: "a client authenticates in one way; guessing at secrets is bounded", tests: []string{
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
		"tests/hostile TestLimits/guesses at a secret end, and lock nobody else out",
		"authz/client TestAfterTooManyFailuresNotEvenTheSecretIsCompared",
	}},
	{id: "T9", rule: "five wrong verifiers burn a code, four do not", tests: []string{
		"tests/hostile TestCodeRedemption/a wrong verifier costs the code at the fifth time only",
		"authz/grant TestFiveWrongVerifiersBurnTheCode",
	}},
	{id: "T10", rule: "the answer has type, lifetime and scope", tests: []string{
		"tests/hostile TestForms/a token answer is what clients read",
		"authz/token TestASuccessIsTheAnswerOfRFC6749",
	}},
	{id: "F1", rule: "refresh tokens rotate; a replay ends the grant", tests: []string{
		"tests/hostile TestAReplayedRefreshTokenEndsItsFamily",
		"authz/grant TestAReplayAfterTheGraceKillsTheFamilyAtOnce",
	}},
	{id: "F2", rule: "a refresh may narrow the scope and never widens it", tests: []string{
		"tests/hostile TestRefreshTokens/a refresh never widens",
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
		"authz/grant TestScopesOfARefresh",
	}},
	{id: "F3", rule: "a grant ends idle and absolutely", tests: []string{
		"authz/grant TestAFamilyEndsIdleOrAbsolutelyAndThatIsNoTheft",
		"authz/grant TestARetryDoesNotExtendTheIdleEnd",
	}},
	{id: "F4", rule: "a grant that is over is not refreshed", tests: []string{
		"tests/hostile TestRefreshTokens/a revoked grant is not refreshed",
		"authz/grant TestDecide",
	}},
	{id: "M1", rule: "malformed, missing, repeated, two ways of authentication: 400 invalid_request", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
		"tests/hostile TestForms/no parameter is read twice",
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
	}},
	{id: "M2", rule: "unknown client or bad secret: 401 invalid_client", tests: []string{
		"tests/hostile TestCodeRedemption/a client proves who it is, once",
	}},
	{id: "M3", rule: "dead codes and tokens, and people who are not admitted: 400 invalid_grant", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
		"authz/grant TestRefreshRefusesAndChangesNothing",
	}},
	{id: "M4", rule: "a grant type that the client did not register: 400 unauthorized_client", tests: []string{
		"authz/token TestErrorMatrix",
	}},
	{id: "M5", rule: "an unknown grant type: 400 unsupported_grant_type", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
		"tests/hostile TestRegistration/a registration grants nothing",
	}},
	{id: "M6", rule: "a bad or wider scope: 400 invalid_scope", tests: []string{
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
	}},
	{id: "M7", rule: "another resource: 400 invalid_target", tests: []string{
		"tests/hostile TestCodeRedemption/a code is bound to all that it was issued for",
		"tests/hostile TestRefreshTokens/a refused refresh leaves the token good",
	}},
	{id: "M8", rule: "too often: 429 with Retry-After, and nothing is lost", tests: []string{
		"tests/hostile TestLimits/a grant that rotates without end is slowed down and lives on",
		"tests/hostile TestLimits/guesses at a secret end, and lock nobody else out",
		"authz TestOneAddressGetsItsShareOnly",
	}},
	{id: "M9", rule: "a store that cannot answer: 503 with Retry-After, never a refusal", tests: []string{
		"tests/hostile TestAStoreThatCannotWriteIsAnOutageAndNoRefusal",
		"authz/grant TestAStoreThatIsDownIsNeverAnInvalidGrant",
	}},
	{id: "M10", rule: "too large: 413; another method: 405 with Allow", tests: []string{
		"tests/hostile TestCodeRedemption/malformed requests are refused in JSON",
		"tests/hostile TestRevocation/malformed revocations are refused in JSON",
		"tests/hostile TestRegistration/other methods and content types are refused in JSON",
	}},
	{id: "R1", rule: "201 with all that was registered", tests: []string{
		"tests/hostile TestRegistration/the server decides what is registered",
		"authz/client TestRealClientsRegisterAtTheFirstTry",
	}},
	{id: "R2", rule: "invalid_redirect_uri and invalid_client_metadata; 403 where it is off", tests: []string{
		"tests/hostile TestRegistration/redirect URIs that lead elsewhere are refused",
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
		"authz TestWhatIsTurnedOffIsNeitherAnsweredNorAdvertised",
	}},
	{id: "R3", rule: "secrets are the server's own and kept as hashes", tests: []string{
		"tests/hostile TestRegistration/the server decides what is registered",
		"authz/client TestRealClientsRegisterAtTheFirstTry",
	}},
	{id: "R4", rule: "unknown metadata is ignored, what people would see is checked", tests: []string{
		"tests/hostile TestRegistration/metadata that deceives or overloads is refused",
		"authz/client TestRegistrationIsRefusedWithItsReason",
	}},
	{id: "R5", rule: "a client id of ours is never an address", tests: []string{
		"tests/hostile TestRegistration/the server decides what is registered",
	}},
	{id: "R6", rule: "a registration grants nothing", tests: []string{
		"tests/hostile TestRegistration/a registration grants nothing",
	}},
	{id: "R7", rule: "management of registrations: a wrong or dead token is 401", tests: []string{
		"tests/hostile TestRegistrationManagement/whoever has not the token learns and changes nothing",
		"tests/hostile TestRegistrationManagement/a client that removes itself is dead with all that people gave it",
	}},
	{id: "I1", rule: "the form of an address that is a client id", tests: []string{
		"tests/hostile TestAClientIDIsNoAddressToFetch",
		"authz/document TestCheckID",
	}},
	{id: "I2", rule: "status 200, no redirect followed, the id is the address, no shared secret", tests: []string{
		"authz/document TestParseRefuses",
		"internal/safehttp TestOnlyStatus200IsAnAnswer",
		"tests/hostile TestMetadataDocuments",
	}},
	{id: "I3", rule: "public addresses only, bounded; errors are not kept as good", tests: []string{
		"tests/hostile TestAClientIDIsNoAddressToFetch",
		"internal/safehttp TestNoPacketIsSentToAnAddressThatIsNotPublic",
		"internal/safehttp TestAnswerIsBounded",
		"authz/document TestFailureIsRememberedForAMinute",
	}},
	{id: "I4", rule: "people see whose document it is", tests: []string{
		"authz/document TestPeopleSeeTheNameOfTheProfile",
	}},
	{id: "I5", rule: "one fetch for many, only of listed addresses; a change asks again", tests: []string{
		"authz/document TestFiftyWhoAskAtOnceCauseOneFetch",
		"authz/document TestOtherURLsAreUnknownAndNoPacketIsSent",
		"authz/document TestChangeAfterConsentIsSeenAndAsksAgain",
		"authz/document TestHostThatIsDownKeepsGrantsAliveAndStartsNone",
	}},
	{id: "V1", rule: "200 with no body for what is dead afterwards, whatever the hint", tests: []string{
		"tests/hostile TestRevocation/whatever is not one's own stays alive",
		"tests/hostile TestRevocation/a wrong hint does not save a token",
		"authz/revoke TestARevocationIsAnsweredEmptyAfterItWasAudited",
	}},
	{id: "V2", rule: "client authentication; the token of another client is refused and lives", tests: []string{
		"tests/hostile TestRevocation/whatever is not one's own stays alive",
		"tests/hostile TestRevocation/malformed revocations are refused in JSON",
	}},
	{id: "V3", rule: "a refresh token takes the grant along, an access token only itself", tests: []string{
		"tests/hostile TestRevocation/a refresh token takes its access tokens along",
		"authz/grant TestRevokingAnAccessTokenEndsOnlyThatOne",
	}},
	{id: "V4", rule: "200 only when it is dead everywhere, 503 otherwise", tests: []string{
		"tests/hostile TestAStoreThatCannotWriteIsAnOutageAndNoRefusal",
		"authz/grant TestAFailedRevocationSaysSo",
	}},
	{id: "V5", rule: "introspection by registered resource servers only; all but a live token of theirs is the same answer", tests: []string{
		"tests/hostile TestIntrospection",
		"authz/introspect TestAllOtherTokensAreAnsweredByTheSameBytes",
	}},
	{id: "P1", rule: "401 with a challenge, and an error only where a token was presented", tests: []string{
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
	}},
	{id: "P2", rule: "a token is read from the header alone", tests: []string{
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
	}},
	{id: "P3", rule: "a token is for one resource and goes no further", tests: []string{
		"tests/hostile TestMCPEndpoint/only a token of this resource, in its place, is one",
		"tests/hostile TestIdentityAndRouting/headers cannot speak for a person",
	}},
	{id: "P4", rule: "a missing scope is a challenge, a missing role is not", tests: []string{
		"tests/hostile TestMCPEndpoint/a missing scope is challenged, a missing role is not",
	}},
	{id: "P5", rule: "foreign origins are refused; the body is what is authorized", tests: []string{
		"tests/hostile TestMCPEndpoint/pages of other origins are refused",
		"tests/hostile TestMCPEndpoint/headers cannot say something else than the body",
	}},
	{id: "P6", rule: "no cache keeps an MCP answer", tests: []string{
		"mcpbridge/mcp TestTranscripts",
	}},
	{id: "X1", rule: "pages: no CORS, cross-site POST refused", tests: []string{
		"tests/hostile TestForms/scripts of other origins reach what has no cookies",
		"tests/hostile TestSignInAndConsent/a consent that the page did not send gives no code",
	}},
	{id: "X2", rule: "metadata and keys: any origin", tests: []string{
		"tests/hostile TestForms/scripts of other origins reach what has no cookies",
		"authz/discovery TestDocumentIsServedToAnyOriginAndCached",
	}},
	{id: "X3", rule: "/token, /register, /revoke: any origin, without credentials", tests: []string{
		"tests/hostile TestForms/scripts of other origins reach what has no cookies",
		"authz/oauth TestAPreflightNamesOneListOfHeadersAndNoCredentials",
	}},
	{id: "X4", rule: "the MCP endpoint: listed origins", tests: []string{
		"tests/hostile TestMCPEndpoint/pages of other origins are refused",
		"mcpbridge/mcp TestCORS",
	}},
}
