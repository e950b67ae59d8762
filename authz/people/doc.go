// Package people sees to it that people who leave lose what they approved.
//
// Owns: the check of a person against the backend while their grants are in use,
// what is remembered of its answers, and how the end of everything of a person
// is written into the audit trail, whatever its cause.
//
// Does not own: how grants end (package grant), what an identity provider says
// (package logout), what operators do (package operator), how a backend is asked
// (a Directory).
//
// Trust: a backend is believed about its own people when it answers in its own
// form. That it does not answer says nothing about anybody.
package people
