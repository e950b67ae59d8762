package idp

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// The endpoints that answer. They are the library's default paths.
const (
	authorizePath = "/authorize"
	tokenPath     = "/oauth/token"
	keysPath      = "/keys"
	userinfoPath  = "/userinfo"
	loginPath     = "/login"
	stylePath     = "/style.css"
)

// discoveryDocument is the library's document with the member of RFC 9207
// section 3 that it lacks.
type discoveryDocument struct {
	oidc.DiscoveryConfiguration
	IssParameterSupported bool `json:"authorization_response_iss_parameter_supported"`
}

// discovery serves the provider's metadata. It is written here, not by the
// library, because the library announces grants and endpoints that this
// provider does not have.
func discovery(issuer string) http.HandlerFunc {
	document := discoveryDocument{
		DiscoveryConfiguration: oidc.DiscoveryConfiguration{
			Issuer:                            issuer,
			AuthorizationEndpoint:             issuer + authorizePath,
			TokenEndpoint:                     issuer + tokenPath,
			UserinfoEndpoint:                  issuer + userinfoPath,
			JwksURI:                           issuer + keysPath,
			ScopesSupported:                   []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, scopeGroups},
			ResponseTypesSupported:            []string{string(oidc.ResponseTypeCode)},
			ResponseModesSupported:            []string{string(oidc.ResponseModeQuery)},
			GrantTypesSupported:               []oidc.GrantType{oidc.GrantTypeCode},
			SubjectTypesSupported:             []string{"public"},
			IDTokenSigningAlgValuesSupported:  []string{"RS256"},
			TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost},
			CodeChallengeMethodsSupported:     []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
			ClaimsSupported: []string{
				"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "azp",
				"email", "email_verified", "name", "preferred_username", "groups",
			},
		},
		IssParameterSupported: true,
	}
	body, err := json.Marshal(document)
	return func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
}

// withIss adds the iss parameter to an authorization response, an error
// response included (RFC 9207 section 2).
func (s *Server) withIss(location string) string {
	u, err := url.Parse(location)
	if err != nil || !u.IsAbs() {
		return location // a redirect to our own login page is no authorization response
	}
	query := u.Query()
	query.Set("iss", s.issuer)
	if s.faults.WrongIss.Load() {
		query.Set("iss", "https://another-issuer.example")
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// announceIss wraps the authorization endpoint, whose redirects the library
// writes.
func (s *Server) announceIss(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&issWriter{ResponseWriter: w, withIss: s.withIss}, r)
	})
}

type issWriter struct {
	http.ResponseWriter
	withIss func(string) string
}

// WriteHeader sends the header with the completed Location.
func (w *issWriter) WriteHeader(status int) {
	if location := w.Header().Get("Location"); location != "" {
		w.Header().Set("Location", w.withIss(location))
	}
	w.ResponseWriter.WriteHeader(status)
}
