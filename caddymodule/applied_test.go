package caddymodule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/authz/audit/audittest"
	"github.com/teamlumos/mcp-edge/authz/policy"
)

func TestTheTrailSaysWhichDomainsAConfigurationTurnsOnAndOff(t *testing.T) {
	var a applied
	trail := new(audittest.Memory)
	apply := func(domains ...string) []string {
		t.Helper()
		var cfg policy.Config
		for _, name := range domains {
			cfg.Domains = append(cfg.Domains, policy.Domain{Name: name, Enabled: true})
		}
		p, err := policy.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		trail.Reset()
		if err := a.apply(t.Context(), &running{policy: p, recorder: trail}, "abc"); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range trail.Events() {
			got = append(got, strings.TrimSpace(e.Name+" "+e.DomainID))
		}
		return got
	}
	for _, c := range []struct {
		name    string
		domains []string
		want    []string
	}{
		{"at the first start", []string{"a.example", "b.example"}, []string{"config_applied", "domain_on a.example", "domain_on b.example"}},
		{"when nothing changes", []string{"a.example", "b.example"}, []string{"config_applied"}},
		{"when one goes and one comes", []string{"b.example", "c.example"}, []string{"config_applied", "domain_on c.example", "domain_off a.example"}},
		{"when all go", nil, []string{"config_applied", "domain_off b.example", "domain_off c.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, apply(c.domains...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	trail.Reset()
	a.clientsRemoved(3)
	if events := trail.Named("client_removed"); len(events) != 1 || !strings.Contains(events[0].Detail, "3") {
		t.Errorf("removed clients: %+v", events)
	}
}
