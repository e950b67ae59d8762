package idp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// errSignIn is the one answer to a wrong e-mail, a wrong password and a
// disabled person, as a careful provider gives it.
var errSignIn = errors.New("this e-mail and password do not match")

// User is a person who can sign in.
type User struct {
	// Subject is the sub claim: stable, unique, without a colon.
	Subject string
	// Email is what the person types, in any letter case, and the email claim.
	Email string
	// Password is compared as it is. A person with an empty one cannot sign in.
	Password string
	// Name is the name claim.
	Name string
	// EmailVerified is the email_verified claim.
	EmailVerified bool
	// Groups is the groups claim.
	Groups []string
	// Role says for people what the demo's policy makes of the groups:
	// "admin", "member" or "guest". It is in no token.
	Role string
	// Disabled refuses the sign-in.
	Disabled bool
}

// DemoUsers returns the three people of the demo's company, demo.example: a
// member, an admin and a guest.
func DemoUsers() []User {
	return []User{
		{
			Subject: "demo-mia", Email: "mia@demo.example", Password: "member-demo", Name: "Mia Lindqvist",
			EmailVerified: true, Groups: []string{"staff"}, Role: "member",
		},
		{
			Subject: "demo-amir", Email: "amir@demo.example", Password: "admin-demo", Name: "Amir Haddad",
			EmailVerified: true, Groups: []string{"staff", "it-admins"}, Role: "admin",
		},
		{
			Subject: "demo-gus", Email: "gus@demo.example", Password: "guest-demo", Name: "Gus Okafor",
			EmailVerified: true, Groups: []string{"visitors"}, Role: "guest",
		},
	}
}

// directory holds the people in the order in which they were added.
type directory struct {
	mu    sync.RWMutex
	users []User
}

// set adds u, or replaces the person with the same subject.
func (d *directory) set(u User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u.Groups = slices.Clone(u.Groups)
	for i := range d.users {
		if d.users[i].Subject == u.Subject {
			d.users[i] = u
			return
		}
	}
	d.users = append(d.users, u)
}

// list returns a copy of all people.
func (d *directory) list() []User {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.users)
}

// bySubject returns the person with that sub claim.
func (d *directory) bySubject(subject string) (User, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, u := range d.users {
		if u.Subject == subject {
			return u, nil
		}
	}
	return User{}, fmt.Errorf("no user %q", subject)
}

// authenticate returns the person who signs in with email and password, or
// errSignIn.
func (d *directory) authenticate(email, password string) (User, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, u := range d.users {
		if u.Disabled || u.Password == "" || !strings.EqualFold(u.Email, strings.TrimSpace(email)) {
			continue
		}
		if subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1 {
			return u, nil
		}
	}
	return User{}, errSignIn
}

// validate refuses people whom the protocol cannot carry.
func (u User) validate() error {
	if u.Subject == "" || strings.Contains(u.Subject, ":") {
		return fmt.Errorf("user %q: the subject must be set and have no colon", u.Email)
	}
	if !strings.Contains(u.Email, "@") {
		return fmt.Errorf("user %q: not an e-mail address", u.Email)
	}
	return nil
}
