// Package audit is the trail of who did what through which assistant.
//
// Owns: the event, its field names, and the recorders that store it.
// Does not own: what is worth an event; the packages that act say so.
// Trust: fields may hold attacker-chosen text (client names, intents). They are
// bounded and escaped here; no field ever holds a credential.
package audit
