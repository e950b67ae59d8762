package caddymodule

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/document"
	"github.com/teamlumos/mcp-edge/authz/people"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/authz/token"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// scraped is a page of metrics: series as they are written, and their values.
type scraped map[string]float64

// scrape reads a page of metrics with a plain HTTP/1 client, as Prometheus does.
func scrape(t *testing.T, address string) scraped {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %d %s", address, resp.StatusCode, text)
	}
	page := scraped{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") || !strings.HasPrefix(line, "mcp_edge_") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		page[line[:at]] = value
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return page
}

// refresh presents a refresh token at the token endpoint.
func (g *gateway) refresh(client, refreshToken string) (status int, body string) {
	g.t.Helper()
	form := url.Values{"grant_type": {token.RefreshToken}, "client_id": {client}, "refresh_token": {refreshToken}}
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://"+g.auth+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, body, err = g.do(req); err != nil {
		g.t.Fatal(err)
	}
	return status, body
}

// observed is a gateway whose figures show at an admin endpoint and on a site.
type observed struct {
	*gateway
	admin string
}

func newObserved(t *testing.T) observed {
	t.Helper()
	return observed{newGateway(t), freeAddress(t)}
}

func (o observed) caddyfile(p policyOf) string {
	p.extra = "handle /metrics {\n\t\tmetrics\n\t}"
	return strings.Replace(o.gateway.caddyfile(p), "admin off", "admin "+o.admin, 1)
}

func (o observed) mustLoad(p policyOf) {
	o.t.Helper()
	if err := o.load(o.caddyfile(p)); err != nil {
		o.t.Fatal(err)
	}
}

// age makes the rotation of a family's first refresh token so much older.
func (o observed) age(family string, by time.Duration) {
	o.t.Helper()
	ctx := o.t.Context()
	err := o.app().running.Load().runtime.store.Update(ctx, func(tx store.Tx) error {
		g, err := tx.Generation(ctx, family, 1)
		if err != nil {
			return err
		}
		g.RotatedAt = g.RotatedAt.Add(-by)
		return tx.SaveGeneration(ctx, g)
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o observed) page() scraped {
	o.t.Helper()
	return scrape(o.t, "http://"+o.admin+"/metrics")
}

func TestFiguresShowAtTheAdminEndpointAndGoOnAfterAReload(t *testing.T) {
	o := newObserved(t)
	o.mustLoad(policyOf{})
	client, tokens := o.grant()
	use := func() {
		t.Helper()
		if status, body, err := o.search(t.Context(), tokens.AccessToken, "x"); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
	}
	use()
	if status, _, _ := o.search(t.Context(), "lma_made-up", "x"); status != http.StatusUnauthorized {
		t.Fatalf("a made-up token was answered %d", status)
	}
	for range 2 { // a rotation and its retry
		if status, body := o.refresh(client.ID, tokens.RefreshToken); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	before := o.page()
	for series, want := range map[string]float64{
		`mcp_edge_access_token_checks_total{reason="",result="ok"}`:                                        1,
		`mcp_edge_access_token_checks_total{reason="grant/unknown",result="refused"}`:                      1,
		`mcp_edge_access_token_store_reads_total`:                                                          1,
		`mcp_edge_token_requests_total{grant_type="refresh_token",reason="",result="refreshed"}`:           1,
		`mcp_edge_token_requests_total{grant_type="refresh_token",reason="",result="replay_in_grace"}`:     1,
		`mcp_edge_token_requests_total{grant_type="refresh_token",reason="grant/reused",result="refused"}`: 0,
		`mcp_edge_refresh_reuse_age_seconds_count{outcome="answered"}`:                                     1,
		`mcp_edge_refresh_reuse_age_seconds_bucket{outcome="answered",le="60"}`:                            1,
		`mcp_edge_refresh_reuse_age_seconds_count{outcome="revoked"}`:                                      0,
	} {
		if got, there := before[series]; !there || got != want {
			t.Errorf("%s is %v (there: %t), want %v", series, got, there, want)
		}
	}

	o.mustLoad(policyOf{clients: "claude chatgpt"})
	after := o.page()
	for series, value := range before {
		if now, there := after[series]; !there || now < value {
			t.Errorf("%s was %v and is %v (there: %t) after a reload", series, value, now, there)
		}
	}
	use()
	o.age(tokens.Family.ID, 3*time.Hour)
	if status, body := o.refresh(client.ID, tokens.RefreshToken); status != http.StatusBadRequest {
		t.Fatalf("%d %s", status, body)
	}
	after = o.page()
	for series, want := range map[string]float64{
		`mcp_edge_access_token_checks_total{reason="",result="ok"}`:                                        2,
		`mcp_edge_refresh_reuse_age_seconds_count{outcome="revoked"}`:                                      1,
		`mcp_edge_token_requests_total{grant_type="refresh_token",reason="grant/reused",result="refused"}`: 1,
	} {
		if after[series] != want {
			t.Errorf("%s is %v, want %v", series, after[series], want)
		}
	}
	if reads := after["mcp_edge_access_token_store_reads_total"]; reads <= before["mcp_edge_access_token_store_reads_total"] {
		t.Errorf("%v reads after the policy changed, %v before", reads, before["mcp_edge_access_token_store_reads_total"])
	}
	waitFor(t, "the rows have been counted", func() bool { return o.page()["mcp_edge_store_rows_counted_timestamp_seconds"] > 0 })
}

func TestManyReloadsRegisterTheFiguresAnew(t *testing.T) {
	o := newObserved(t)
	for range 5 {
		o.mustLoad(policyOf{})
		token := o.token()
		if status, _, err := o.search(t.Context(), token, "x"); err != nil || status != http.StatusOK {
			t.Fatalf("%d %v", status, err)
		}
	}
	if got := o.page()[`mcp_edge_access_token_checks_total{reason="",result="ok"}`]; got != 5 {
		t.Errorf("%v checks are counted after five configurations with one each", got)
	}
}

func TestAfterARefusedReloadTheSiteStillShowsTheFiguresThatCount(t *testing.T) {
	o := newObserved(t)
	o.mustLoad(policyOf{})
	token := o.token()
	if err := o.load(o.caddyfile(policyOf{store: "caddy"})); err == nil { // a folder is no database
		t.Fatal("the configuration was accepted")
	}
	if status, _, err := o.search(context.Background(), token, "x"); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	status, page, err := o.get("http://" + o.api + "/metrics")
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	if want := `mcp_edge_access_token_checks_total{reason="",result="ok"} 1`; !strings.Contains(page, want) {
		t.Errorf("the page has no line %s", want)
	}
	if there := o.page(); len(there) != 0 {
		t.Errorf("the admin endpoint shows %d series of ours; docs/metrics.md says that it shows none then", len(there))
	}
}

// labelPattern finds the labels of a series.
var labelPattern = regexp.MustCompile(`(\w+)="([^"]*)"`)

func TestNothingButClosedSetsIsInALabel(t *testing.T) {
	o := newObserved(t)
	o.mustLoad(policyOf{})
	client, tokens := o.grant()
	for _, token := range []string{tokens.AccessToken, "lma_made-up", tokens.RefreshToken} {
		_, _, _ = o.search(t.Context(), token, "x")
	}
	for _, token := range []string{tokens.RefreshToken, tokens.RefreshToken, "lmr_x"} {
		o.refresh(client.ID, token)
		o.refresh("ada@demo.example", token)
	}
	for path, body := range map[string]string{
		"/register":           `{"client_name":"ada@demo.example","redirect_uris":["https://evil.example/cb"]}`,
		"/token":              `grant_type=ada@demo.example`,
		"/consent":            `decision=ada@demo.example`,
		"/signin":             `email=ada@demo.example`,
		"/callback/evil":      "",
		"/authorize?client=x": "",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+o.auth+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if path == "/register" {
			req.Header.Set("Content-Type", "application/json")
		}
		if _, _, err := o.do(req); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := o.get("http://" + o.auth + "/callback/demo.example?code=x&state=y"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the rows have been counted", func() bool { return o.page()["mcp_edge_store_rows_counted_timestamp_seconds"] > 0 })

	page := o.page()
	allowed := closedSets(o.app().profiles.IDs())
	seen := map[string]bool{}
	for series := range page {
		for _, label := range labelPattern.FindAllStringSubmatch(series, -1) {
			name, value := label[1], label[2]
			seen[name] = true
			if !allowed(name, value) {
				t.Errorf("%s: the label %s has the value %q", series, name, value)
			}
		}
	}
	for _, name := range []string{"grant_type", "result", "reason", "outcome", "kind"} {
		if !seen[name] {
			t.Errorf("no series with the label %s was seen, so the rest proves little", name)
		}
	}
	for _, secret := range []string{tokens.AccessToken, tokens.RefreshToken, client.ID, client.Name, "ada", "u-1", "127.0.0.1", "evil"} {
		for series := range page {
			for _, label := range labelPattern.FindAllStringSubmatch(series, -1) {
				if strings.Contains(label[2], secret) {
					t.Errorf("%s holds %q", series, secret)
				}
			}
		}
	}
}

// closedSets says whether a label may have a value.
func closedSets(profiles []string) func(name, value string) bool {
	results := []string{
		resultOK, resultRefused, resultUnavailable, resultApproved, resultDenied, codeRedeemed, codeUnredeemed,
		string(token.Issued), string(token.Refreshed), string(token.Replayed),
	}
	for _, o := range document.Outcomes() {
		results = append(results, string(o))
	}
	for _, r := range people.Results() {
		results = append(results, string(r))
	}
	var kinds []string
	for _, k := range slices.Concat(rowKinds(store.Rows{}), sweptKinds(store.Swept{})) {
		kinds = append(kinds, k.name)
	}
	sets := map[string][]string{
		"grant_type": {token.AuthorizationCode, token.RefreshToken, token.OtherGrant}, "result": results,
		"outcome": {reuseAnswered, reuseRevoked}, "kind": kinds, "profile": append(slices.Clone(profiles), otherLabel),
	}
	return func(name, value string) bool {
		switch name {
		case "reason":
			return value == "" || reason.Reason(value).Known()
		case "le":
			_, err := strconv.ParseFloat(value, 64)
			return err == nil
		}
		return slices.Contains(sets[name], value)
	}
}
