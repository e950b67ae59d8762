package oidc_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/teamlumos/mcp-edge/authz/idp"
	"github.com/teamlumos/mcp-edge/authz/idp/oidc"
)

// The issuers of the four products. Okta has one for each authorization server,
// of which the first is called default; Entra ID one for each tenant; Google one
// for all; Keycloak one for each realm.
const (
	oktaIssuer     = "https://acme.okta.com/oauth2/default"
	entraIssuer    = "https://login.microsoftonline.com/6f0c1a9e-0d5c-4a34-9a0b-1f2e3d4c5b6a/v2.0"
	googleIssuer   = "https://accounts.google.com"
	keycloakIssuer = "https://id.acme.com/realms/acme"
)

// newOPAt is an op at that issuer, whose discovery document names metadata, and a
// client that finds it there.
func newOPAt(t testing.TB, issuer, metadata string) (*op, *http.Client) {
	t.Helper()
	o := newOP(t)
	o.meta = claims{"issuer": metadata}
	o.token = claims{"iss": issuer}
	_, rest, _ := strings.Cut(issuer, "://")
	host, path, _ := strings.Cut(rest, "/")
	for field, name := range map[string]string{"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"} {
		o.meta[field] = "https://" + host + "/" + name
	}
	mux := http.NewServeMux()
	mux.HandleFunc(strings.TrimSuffix("/"+path, "/")+"/.well-known/openid-configuration", o.discovery)
	mux.HandleFunc("/token", o.tokenEndpoint)
	mux.HandleFunc("/keys", o.keySet)
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // whom its certificate is for
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	return o, &http.Client{Transport: transport}
}

// TestPeopleOfTheFourProducts has the shapes of the ID tokens of the products
// whose people most companies have. Where the facts come from:
//
//   - Okta puts groups into ID tokens only where its application or its
//     authorization server has a groups claim, and the org server only with the
//     scope groups: https://developer.okta.com/docs/guides/customize-tokens-groups-claim/overview/
//     and https://developer.okta.com/docs/guides/customize-tokens-static/use-static-group-allowlist-org-as/.
//   - Entra ID says nothing about email_verified, and leaves email out where the
//     claim is not asked for: https://learn.microsoft.com/en-us/entra/architecture/customize-tokens
//     (optional claims), https://github.com/obot-platform/obot/issues/1780 (addresses
//     are not verified). Many groups: https://github.com/MicrosoftDocs/azure-docs/pull/40705
//     and https://github.com/MicrosoftDocs/azure-docs/issues/42371.
//   - Google knows no groups and says hd only for accounts of a company:
//     https://community.auth0.com/t/168525.
//   - Keycloak names groups by their path, with a slash at the front, unless its
//     mapper is told not to: https://github.com/defenseunicorns/uds-core/issues/603.
func TestPeopleOfTheFourProducts(t *testing.T) {
	verified := func(groups ...string) func(idp.Identity) bool {
		return func(i idp.Identity) bool { return i.EmailVerified && slices.Equal(i.Groups, groups) }
	}
	unverified := func(i idp.Identity) bool { return !i.EmailVerified }
	claimSource := claims{"src1": claims{"endpoint": "https://graph.microsoft.com/v1.0/users/x/getMemberObjects"}}
	for _, tt := range []struct {
		name   string
		issuer string
		token  claims
		config func(*oidc.Config)
		want   func(idp.Identity) bool // nil: refused with
		err    error
	}{
		{"Okta with a groups claim", oktaIssuer, claims{"ver": 1, "groups": []string{"Everyone", "it-admins"}}, nil, verified("Everyone", "it-admins"), nil},
		{"Okta without one", oktaIssuer, claims{"ver": 1, "groups": nil}, nil, verified(), nil},
		{"Okta with a groups claim of another name", oktaIssuer, claims{"groups": nil, "mcp_groups": []string{"a"}}, func(c *oidc.Config) { c.GroupsClaim = "mcp_groups" }, verified("a"), nil},
		{"Entra ID of a trusted tenant", entraIssuer, claims{"ver": "2.0", "tid": "6f0c", "email_verified": nil, "groups": []string{"0b9f2c7e"}}, func(c *oidc.Config) { c.TrustEmail = true }, verified("0b9f2c7e"), nil},
		{"Entra ID without trust_email", entraIssuer, claims{"ver": "2.0", "email_verified": nil}, nil, unverified, nil},
		{"Entra ID with a name to sign in by and no address", entraIssuer, claims{"email": nil, "email_verified": nil, "preferred_username": "ann@acme.com"}, func(c *oidc.Config) { c.TrustEmail = true },
			func(i idp.Identity) bool { return i.Email == "" }, nil},
		{"Entra ID of another tenant", entraIssuer, claims{"iss": "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0"}, nil, nil, idp.ErrInvalid},
		{"Entra ID with the template for an issuer", entraIssuer, claims{"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}, nil, nil, idp.ErrInvalid},
		{"Entra ID of version 1", entraIssuer, claims{"iss": "https://sts.windows.net/6f0c1a9e-0d5c-4a34-9a0b-1f2e3d4c5b6a/"}, nil, nil, idp.ErrInvalid},
		{"Entra ID with too many groups", entraIssuer, claims{"groups": nil, "_claim_names": claims{"groups": "src1"}, "_claim_sources": claimSource}, nil, nil, idp.ErrTooManyGroups},
		{"Entra ID with too many groups, said shortly", entraIssuer, claims{"groups": nil, "hasgroups": true}, nil, nil, idp.ErrTooManyGroups},
		{"Entra ID with too many groups, said shortly in words", entraIssuer, claims{"groups": nil, "hasgroups": "true"}, nil, nil, idp.ErrTooManyGroups},
		{"Entra ID without many groups", entraIssuer, claims{"groups": nil, "hasgroups": false, "_claim_names": claims{}}, nil, verified(), nil},
		{"Entra ID with too many groups, by its roles", entraIssuer, claims{"groups": nil, "_claim_names": claims{"groups": "src1"}, "_claim_sources": claimSource, "roles": []string{"mcp.user"}}, func(c *oidc.Config) { c.GroupsClaim = "roles" }, verified("mcp.user"), nil},
		{"more groups than are read", keycloakIssuer, claims{"groups": slices.Repeat([]string{"g"}, 501)}, nil, nil, idp.ErrTooManyGroups},
		{"Google of a company", googleIssuer, claims{"hd": "acme.com", "groups": nil}, nil, verified(), nil},
		{"Google of a company with a second domain", googleIssuer, claims{"hd": "acme-group.com", "groups": nil}, nil, verified(), nil},
		{"Google, a private account with a company's address", googleIssuer, claims{"groups": nil}, nil, unverified, nil},
		{"Google, such an account and trust_email", googleIssuer, claims{"groups": nil}, func(c *oidc.Config) { c.TrustEmail = true }, unverified, nil},
		{"Google without the scheme in iss", googleIssuer, claims{"iss": "accounts.google.com", "hd": "acme.com"}, nil, nil, idp.ErrInvalid},
		{"Keycloak with paths", keycloakIssuer, claims{"groups": []string{"/staff", "/it/admins"}}, nil, verified("/staff", "/it/admins"), nil},
		{"Keycloak of another realm", keycloakIssuer, claims{"iss": "https://id.acme.com/realms/master"}, nil, nil, idp.ErrInvalid},
		{"Keycloak with an address that is not verified", keycloakIssuer, claims{"email_verified": false}, func(c *oidc.Config) { c.TrustEmail = true }, unverified, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, reach := newOPAt(t, tt.issuer, tt.issuer)
			maps.Copy(o.token, tt.token)
			got, err := exchange(t, o.provider(t, func(c *oidc.Config) {
				c.Issuer, c.HTTPClient = tt.issuer, reach
				if tt.config != nil {
					tt.config(c)
				}
			}))
			switch {
			case tt.err != nil:
				if !errors.Is(err, tt.err) || !errors.Is(tt.err, idp.ErrInvalid) && errors.Is(err, idp.ErrInvalid) {
					t.Errorf("got %+v, %v; want %v", got, err, tt.err)
				}
			case err != nil || !tt.want(got) || got.Issuer != tt.issuer:
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAnIssuerOfManyTenantsIsNotUsed(t *testing.T) {
	if _, err := oidc.New(oidc.Config{Issuer: "https://login.microsoftonline.com/{tenantid}/v2.0", ClientID: "x", RedirectURI: callback}); err == nil {
		t.Error("the template was accepted")
	}
	// What Entra ID answers at /common: its metadata names the template.
	const common = "https://login.microsoftonline.com/common/v2.0"
	o, reach := newOPAt(t, common, "https://login.microsoftonline.com/{tenantid}/v2.0")
	p := o.provider(t, func(c *oidc.Config) { c.Issuer, c.HTTPClient = common, reach })
	if _, err := p.AuthURL(t.Context(), idp.Request{State: "s", Nonce: nonce, Verifier: verifier}); !errors.Is(err, idp.ErrUnavailable) || !strings.Contains(err.Error(), common) || o.discoveries.Load() == 0 {
		t.Errorf("%v after %d looks", err, o.discoveries.Load())
	}
}
