package backend

import (
	"context"
	"errors"
	"net/http"
)

// StatusActive is the status of a person who may work. Every other value,
// known or not, means that they may not.
const StatusActive = "ACTIVE"

// User is a person as the backend knows them.
type User struct {
	ID     string `json:"id"`
	Email  string `json:"email"`
	Status string `json:"status"` // STAGED, ACTIVE, SUSPENDED, INACTIVE or "" if it was not said
}

// CurrentUser asks the backend who p is, by GET /users/current. At sign-in
// p.Subject is empty and the address names the person; then an answer about
// another address is refused. Every error is an *Error.
func (c *Client) CurrentUser(ctx context.Context, p Person) (User, error) {
	body, err := c.Do(ctx, &Request{Person: p, Method: http.MethodGet, Path: []string{"users", "current"}})
	if err != nil {
		return User{}, err
	}
	var u User
	if err := Decode(body, &u, false); err != nil {
		return User{}, err
	}
	if !ValidSegment(u.ID) || p.Subject != "" && u.ID != p.Subject {
		return User{}, &Error{Kind: BadAnswer, Cause: errors.New("answer names nobody or somebody else")}
	}
	if p.Subject == "" && u.Email != "" && !sameAddress(u.Email, p.Email) {
		return User{}, &Error{Kind: BadAnswer, Cause: errors.New("answer is about another address")}
	}
	return u, nil
}

// sameAddress compares two e-mail addresses without regard to ASCII case, as
// directories do.
func sameAddress(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
