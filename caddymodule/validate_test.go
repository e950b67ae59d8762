package caddymodule

import (
	"encoding/json"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// validate does what "caddy validate" does with a Caddyfile.
func validate(t *testing.T, caddyfile string) error {
	t.Helper()
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return err
	}
	return validateJSON(t, string(raw))
}

func validateJSON(t *testing.T, config string) error {
	t.Helper()
	var cfg *caddy.Config
	if err := caddy.StrictUnmarshalJSON([]byte(config), &cfg); err != nil {
		return err
	}
	off := false
	cfg.Admin = &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &off}}
	return caddy.Validate(cfg)
}

func TestValidateWritesNothingAndContactsNobody(t *testing.T) {
	g := newGateway(t)
	provider, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = provider.Close() }()
	var contacted atomic.Int32
	go func() {
		for {
			conn, err := provider.Accept()
			if err != nil {
				return
			}
			contacted.Add(1)
			_ = conn.Close()
		}
	}()
	caddyfile := strings.NewReplacer("http://127.0.0.1:1", "http://"+provider.Addr().String(), g.backend.URL, "http://"+provider.Addr().String()).Replace(g.caddyfile(policyOf{}))
	if err := validate(t, caddyfile); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("was written: %s", entry.Name())
	}
	if n := contacted.Load(); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestValidateBesideARunningGatewayDisturbsNothing(t *testing.T) {
	g := newGateway(t)
	g.mustLoad(policyOf{})
	token := g.token()
	if err := validate(t, g.caddyfile(policyOf{users: "group nobody"})); err != nil {
		t.Fatal(err)
	}
	if n, _ := runtimes.References(g.app().engine.Identity()); n != 1 {
		t.Errorf("the store has %d users, want 1", n)
	}
	if status, _, err := g.search(t.Context(), token, "x"); err != nil || status != 200 {
		t.Errorf("%d %v", status, err)
	}
}

func TestAConfigurationAsJSONIsRefusedWithTheRemedy(t *testing.T) {
	t.Setenv("TEST_IDP_SECRET", "secret")
	t.Setenv("TEST_EMPTY", "")
	const idp = `"idp":{"provider":"oidc","issuer":"https://idp.example.com","client_id":"x","client_secret":"{env.TEST_IDP_SECRET}"}`
	const store, audit = `"store":{"engine":"sqlite","path":"/nowhere/edge.db"}`, `"audit":[{"sink":"file","path":"/nowhere/audit.jsonl"}]`
	app := func(more string) string {
		return `{"apps":{"mcp_edge":{"issuer":"https://auth.example.com",` + store + `,` + audit + more + `}}}`
	}
	t.Setenv("TEST_SHORT", "hunter2")
	t.Setenv("TEST_NO_URL", "appstore")
	t.Setenv("TEST_LONG", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
	server := func(more string) string { return app(`,"trusted_resource_servers":[` + more + `]`) }
	const reports = `{"name":"reports","secret":"{env.TEST_LONG}","resources":["https://api.example.com/mcp"]}`
	domain := func(more string) string { return app(`,"domains":[{"name":"acme.com",` + more + `}]`) }
	for name, test := range map[string]struct{ config, want string }{
		"an issuer with a slash":              {`{"apps":{"mcp_edge":{"issuer":"https://auth.example.com/",` + store + `,` + audit + `}}}`, "write https://auth.example.com"},
		"no store":                            {`{"apps":{"mcp_edge":{"issuer":"https://auth.example.com",` + audit + `}}}`, "add store sqlite"},
		"no audit trail":                      {`{"apps":{"mcp_edge":{"issuer":"https://auth.example.com",` + store + `}}}`, "add audit"},
		"an unknown field":                    {app(`,"limitter":{}`), "limitter"},
		"an unknown limiter":                  {app(`,"limiter":{"engine":"valkey"}`), "limiter"},
		"a limiter without an address":        {app(`,"limiter":{"engine":"redis"}`), "is not understood"},
		"a limiter's address that is not set": {app(`,"limiter":{"engine":"redis","url":"{env.TEST_NOT_SET}"}`), "{env.TEST_NOT_SET} is empty or not set"},
		"a limiter's address that is none":    {app(`,"limiter":{"engine":"redis","url":"{env.TEST_NO_URL}"}`), "is not understood"},
		"a limiter with a literal password":   {app(`,"limiter":{"engine":"redis","url":"redis://:hunter2@redis.example.com"}`), "can be read back"},
		"a limiter with half a placeholder":   {app(`,"limiter":{"engine":"redis","url":"redis://:{env.TEST_SHORT}@redis.example.com"}`), "give all of it as {env.NAME}"},
		"a limit without a unit":              {domain(`"limits":{"read":"120"}`), "in s, m or h, like 120/m"},
		"a limit that takes days":             {domain(`"limits":{"write":"1/h burst 100"}`), "allowed is at most 24h0m0s"},
		"tokens out of bounds":                {app(`,"tokens":{"access":"48h"}`), "access is 48h0m0s"},
		"an idle time beyond the end":         {app(`,"tokens":{"refresh":"24h","refresh_idle":"48h"}`), "idle"},
		"an origin with a path":               {app(`,"allow_origin":["https://x.example.com/"]`), "origin"},
		"a domain twice":                      {app(`,"domains":[{"name":"acme.com"},{"name":"acme.com"}]`), "given twice"},
		"a domain in upper case":              {app(`,"domains":[{"name":"Acme.com"}]`), "lower case"},
		"an enabled domain without idp":       {domain(`"enabled":true`), "has no identity provider"},
		"an unknown client":                   {domain(`"clients":["cluade"]`), "did you mean claude?"},
		"users everyone beside groups":        {domain(`"users":{"everyone":true,"groups":["x"]}`), "contradict"},
		"an unknown permission":               {domain(`"roles":[{"name":"a","everyone":true,"allow":["apps.view"]}]`), "unknown permission"},
		"a role for nobody":                   {domain(`"roles":[{"name":"a","allow":["*"]}]`), "applies to nobody"},
		"a role twice":                        {domain(`"roles":[{"name":"a","everyone":true,"allow":["*"]},{"name":"a","everyone":true,"allow":["*"]}]`), "role a is given twice"},
		"a secret that is not set":            {domain(strings.Replace(idp, "TEST_IDP_SECRET", "TEST_NOT_SET", 1)), "{env.TEST_NOT_SET} is empty or not set"},
		"a secret that is empty":              {domain(strings.Replace(idp, "TEST_IDP_SECRET", "TEST_EMPTY", 1)), "{env.TEST_EMPTY} is empty or not set"},
		"a secret file that is not there":     {domain(strings.Replace(idp, "env.TEST_IDP_SECRET", "file./nowhere/secret", 1)), "{file./nowhere/secret} is empty or not set"},
		"a literal secret":                    {domain(strings.Replace(idp, "{env.TEST_IDP_SECRET}", "hunter2", 1)), "can be read back"},
		"an identity provider over http":      {domain(strings.Replace(idp, "https://idp", "http://idp", 1)), "not https"},
		"a client profile with a bad address": {app(`,"clients":[{"id":"a","redirect_uris":["http://x.example.com/cb"]}]`), "redirect_uri"},
		"a resource server twice":             {server(reports + "," + reports), "reports is given twice"},
		"a resource server without a name":    {server(strings.Replace(reports, "reports", "", 1)), "is not a name"},
		"a resource server in upper case":     {server(strings.Replace(reports, "reports", "Reports", 1)), "lower case"},
		"a resource server without a secret":  {server(strings.Replace(reports, "{env.TEST_LONG}", "", 1)), "needs a line secret"},
		"a resource server with a short one":  {server(strings.Replace(reports, "TEST_LONG", "TEST_SHORT", 1)), "has 7 characters, want at least 32; make one with: openssl rand -hex 32"},
		"a resource server with a literal":    {server(strings.Replace(reports, "{env.TEST_LONG}", "hunter2", 1)), "can be read back"},
		"a resource server's secret not set":  {server(strings.Replace(reports, "TEST_LONG", "TEST_NOT_SET", 1)), "{env.TEST_NOT_SET} is empty or not set"},
		"a resource server for nothing":       {server(strings.Replace(reports, `"https://api.example.com/mcp"`, "", 1)), "may ask about nothing"},
		"a resource server for no URL":        {server(strings.Replace(reports, "https://api.example.com/mcp", "{env.TEST_NO_URL}", 1)), "is not a URL"},
		"a resource server for one twice":     {server(strings.Replace(reports, `["`, `["https://api.example.com/mcp","`, 1)), "is given twice"},
		"a placeholder that is unknown":       {strings.Replace(app(""), "https://auth.example.com", "{no.such}", 1), "issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			err := validateJSON(t, test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want one with %q", err, test.want)
			}
			for _, secret := range []string{"hunter2"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the message holds a secret: %v", err)
				}
			}
		})
	}
}

func TestBridgesAreRefusedWithTheRemedy(t *testing.T) {
	bridge := func(path, resource string) string {
		raw, err := json.Marshal(map[string]any{
			"handler": "mcp_bridge", "path": path, "resource": resource, "toolset": "appstore", "audience": "https://api.example.com",
			"upstream": map[string]any{"handler": "reverse_proxy", "upstreams": []any{map[string]any{"dial": "x:1"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	const app = `"mcp_edge":{"issuer":"https://auth.example.com","store":{"engine":"sqlite","path":"/nowhere/e.db"},"audit":[{"sink":"file","path":"/nowhere/a"}]}`
	site := func(apps, handlers string) string {
		return `{"apps":{` + apps + `"http":{"servers":{"a":{"listen":["127.0.0.1:0"],"automatic_https":{"disable":true},"routes":[{"handle":[` + handlers + `]}]}}}}}`
	}
	good := bridge("/mcp", "https://api.example.com/mcp")
	for name, test := range map[string]struct{ config, want string }{
		"two of one resource":          {site(app+",", good+","+good), "two mcp_bridge blocks have the resource"},
		"one without the app":          {site("", good), "mcp_edge is missing"},
		"the other handler without it": {site("", `{"handler":"mcp_auth"}`), "mcp_edge is missing"},
		"a resource of another path":   {site(app+",", bridge("/mcp", "https://api.example.com/other")), "differ"},
		"no resource":                  {site(app+",", bridge("/mcp", "")), "lacks: resource"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := validateJSON(t, test.config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
	if err := validateJSON(t, site(app+",", good+","+bridge("/mcp2", "https://api.example.com/mcp2"))); err != nil {
		t.Errorf("two resources of one host: %v", err)
	}
}
