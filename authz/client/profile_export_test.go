package client

import "testing"

// BuiltInOrder lists the ids of the data file in its order.
func BuiltInOrder(t testing.TB) []string {
	t.Helper()
	profiles, err := decodeProfiles(builtInProfiles)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range profiles {
		ids = append(ids, p.ID)
	}
	return ids
}
