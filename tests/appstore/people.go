package appstore

import (
	"strings"
	"sync"
)

// The lifecycle states of a person.
const (
	StatusStaged    = "STAGED"
	StatusActive    = "ACTIVE"
	StatusSuspended = "SUSPENDED"
	StatusInactive  = "INACTIVE"
)

// Person is somebody whom the backend knows.
type Person struct {
	ID         string
	Email      string
	DomainID   string
	GivenName  string
	FamilyName string
	// Status is a lifecycle state. Default ACTIVE.
	Status string
}

// DemoPeople returns the people of the demo's company. Their addresses are
// those of the demo's identity provider.
func DemoPeople() []Person {
	return []Person{
		{
			ID: "5b0d7c1e-3a52-4c6e-9f10-000000000001", Email: "mia@demo.example", DomainID: "demo.example",
			GivenName: "Mia", FamilyName: "Lindqvist", Status: StatusActive,
		},
		{
			ID: "5b0d7c1e-3a52-4c6e-9f10-000000000002", Email: "amir@demo.example", DomainID: "demo.example",
			GivenName: "Amir", FamilyName: "Haddad", Status: StatusActive,
		},
		{
			ID: "5b0d7c1e-3a52-4c6e-9f10-000000000003", Email: "gus@demo.example", DomainID: "demo.example",
			GivenName: "Gus", FamilyName: "Okafor", Status: StatusActive,
		},
	}
}

// colleague never calls; her requests are in every organisation-wide list.
func colleague(domainID string) Person {
	return Person{
		ID: uuidOf("colleague", domainID), Email: "ines.navarro@" + domainID, DomainID: domainID,
		GivenName: "Ines", FamilyName: "Navarro", Status: StatusActive,
	}
}

// wire returns the person as the interface shows people.
func (p Person) wire() userJSON {
	return userJSON{ID: p.ID, Email: p.Email, GivenName: p.GivenName, FamilyName: p.FamilyName, Status: p.Status}
}

// directory holds the people.
type directory struct {
	mu     sync.RWMutex
	people []Person
}

// identify returns the person that a verified token names: the one with this
// email and domain_id, whom sub must name too, by id or as email:<address>.
func (d *directory) identify(c *Claims) (Person, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range d.people {
		if p.DomainID != c.DomainID || !strings.EqualFold(p.Email, c.Email) {
			continue
		}
		if c.Subject != p.ID && !strings.EqualFold(c.Subject, "email:"+p.Email) {
			return Person{}, ErrSubject
		}
		return p, nil
	}
	return Person{}, ErrPerson
}

// byID returns a person of the same organisation.
func (d *directory) byID(domainID, id string) (Person, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range d.people {
		if p.DomainID == domainID && p.ID == id {
			return p, true
		}
	}
	return Person{}, false
}

// setStatus changes the state of everybody with that address.
func (d *directory) setStatus(email, status string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.people {
		if strings.EqualFold(d.people[i].Email, email) {
			d.people[i].Status = status
		}
	}
}
