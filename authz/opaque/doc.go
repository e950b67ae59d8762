// Package opaque makes and checks opaque credentials and sealed values.
//
// Owns: the format of codes, tokens and secrets, their MAC, their hash at rest,
// and the authenticated encryption of cookies and of sealed token answers.
// Does not own: where keys live (authz/keys), whether a credential is still
// good (authz/grant), storage.
// Trust: keys come from outside the database and are secret; every string that
// is parsed here is attacker-controlled. The MAC proves only that a string was
// minted with our key: a credential is good when its hash is stored.
package opaque
