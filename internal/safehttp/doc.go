// Package safehttp is the one fetcher for addresses that strangers had a part
// in: client id metadata documents, key sets, whatever else is read from outside
// because somebody named a URL.
//
// Owns: which addresses a packet may be sent to (checked when dialling, on the
// address that is dialled, so that a name that changes its mind between two
// look-ups gains nothing), and the bounds of an exchange: https, port 443, no
// redirects, no proxy, no cookies, no credentials, time, size, content type.
//
// ForOperator is its second form, for services that an operator named.
//
// Does not own: what is in an answer, how long it may be kept, who may cause a
// fetch and how often; callers decide before they ask.
//
// Trust: the URL, the name service's answers for it and the server are hostile.
// The system's certificate authorities are trusted; so is the routing of the
// machine, which must not lead a public address into a private network.
package safehttp
