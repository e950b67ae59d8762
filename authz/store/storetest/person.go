package storetest

import (
	"testing"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var personCases = []testCase{
	{"people are found by address within their domain, who signed in last first", func(t *testing.T, s store.Store) {
		var want []store.User
		for i, id := range []string{"earlier", "later", "elsewhere", "other"} {
			u := sampleUser(id)
			u.Domain, u.Subject, u.Email = "acme.com", id, "Ann.Lee@acme.com"
			u.SignedIn = base.Add(time.Duration(i) * time.Hour)
			switch id {
			case "elsewhere":
				u.Domain = "beta.com"
			case "other":
				u.Email = "AnnXLee@acme.com" // no character stands for another
			}
			if u = upsert(t, s, u); i < 2 {
				want = append([]store.User{u}, want...)
			}
		}
		for _, spelt := range []string{"Ann.Lee@acme.com", "ann.lee@ACME.com"} {
			got, err := s.People(t.Context(), "acme.com", spelt)
			fails(t, "people", err, nil)
			same(t, spelt, got, want)
		}
		none, err := s.People(t.Context(), "acme.com", "%")
		fails(t, "people", err, nil)
		same(t, "nobody", none, []store.User(nil))
	}},
}
