// Package web renders the pages that people see: sign-in, consent, leaving,
// sign-out and refusals.
//
// Owns: templates, the stylesheet, the security headers of every page, and the
// cleaning of untrusted text before it is shown.
//
// Does not own: any decision. A page is given everything that it says.
//
// Trust: names, addresses and messages that a page is given may come from an
// attacker. They are cleaned, capped in length and escaped here; pages hold no
// script, so that text stays text.
package web
