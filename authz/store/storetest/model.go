package storetest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// generationKey is the key of a generation.
type generationKey struct {
	family string
	gen    uint32
}

// model is a store in memory, as plain as it can be: what an engine must do,
// without how. It is not safe for concurrent use.
type model struct {
	clients     map[string]store.Client
	documents   map[string]store.Document
	users       map[string]store.User
	sessions    map[store.Hash]store.Session
	approvals   map[string]store.Approval
	codes       map[store.Hash]store.Code
	families    map[string]store.Family
	generations map[generationKey]store.Generation
	tokens      map[store.Hash]store.AccessToken

	registrations map[string]store.Registration
	removed       map[string]time.Time
	rejections    map[string]store.Rejection
	consents      map[store.ConsentKey]store.Consent
	idempotent    map[store.Hash]store.IdempotentWrite
	logouts       map[store.Hash]time.Time // until when
}

func newModel() *model {
	return &model{
		clients: map[string]store.Client{}, documents: map[string]store.Document{}, users: map[string]store.User{},
		sessions: map[store.Hash]store.Session{}, approvals: map[string]store.Approval{},
		codes: map[store.Hash]store.Code{}, families: map[string]store.Family{},
		generations: map[generationKey]store.Generation{}, tokens: map[store.Hash]store.AccessToken{},
		registrations: map[string]store.Registration{}, removed: map[string]time.Time{},
		rejections: map[string]store.Rejection{}, consents: map[store.ConsentKey]store.Consent{},
		idempotent: map[store.Hash]store.IdempotentWrite{},
		logouts:    map[store.Hash]time.Time{},
	}
}

// clone is the state to go back to. Rows are replaced, never changed in place.
func (m *model) clone() *model {
	return &model{
		clients: maps.Clone(m.clients), documents: maps.Clone(m.documents), users: maps.Clone(m.users),
		sessions: maps.Clone(m.sessions), approvals: maps.Clone(m.approvals),
		codes: maps.Clone(m.codes), families: maps.Clone(m.families),
		generations: maps.Clone(m.generations), tokens: maps.Clone(m.tokens),
		registrations: maps.Clone(m.registrations), removed: maps.Clone(m.removed),
		rejections: maps.Clone(m.rejections), consents: maps.Clone(m.consents), logouts: maps.Clone(m.logouts),
		idempotent: maps.Clone(m.idempotent),
	}
}

// create inserts v unless its key exists or one of its parents does not.
func create[K comparable, V any](rows map[K]V, key K, v V, parents ...bool) error {
	if _, ok := rows[key]; ok {
		return store.ErrConflict
	}
	if slices.Contains(parents, false) {
		return store.ErrNotFound
	}
	rows[key] = v
	return nil
}

// change applies fn to the row with that key.
func change[K comparable, V any](rows map[K]V, key K, fn func(*V)) error {
	v, ok := rows[key]
	if !ok {
		return store.ErrNotFound
	}
	fn(&v)
	rows[key] = v
	return nil
}

func remove[K comparable, V any](rows map[K]V, key K) error {
	if _, ok := rows[key]; !ok {
		return store.ErrNotFound
	}
	delete(rows, key)
	return nil
}

func has[K comparable, V any](rows map[K]V, key K) bool {
	_, ok := rows[key]
	return ok
}

func find[K comparable, V any](rows map[K]V, key K) (V, error) {
	v, ok := rows[key]
	if !ok {
		return v, store.ErrNotFound
	}
	return v, nil
}

func (m *model) putClient(c store.Client) {
	if old, ok := m.clients[c.ID]; ok {
		if c.CreatedAt.IsZero() {
			c.CreatedAt = old.CreatedAt
		}
		if c.AuthorizedAt.IsZero() {
			c.AuthorizedAt = old.AuthorizedAt
		}
		if c.ApprovedAt.IsZero() {
			c.ApprovedAt = old.ApprovedAt
		}
	}
	m.clients[c.ID] = c
}

func (m *model) createClient(c store.Client) error {
	if has(m.removed, c.ID) {
		return store.ErrConflict
	}
	return create(m.clients, c.ID, c)
}

func (m *model) saveRegistration(r store.Registration) (store.Registration, error) {
	for id, old := range m.registrations {
		if old.Fold == r.Fold {
			old.SeenAt = r.SeenAt
			m.registrations[id] = old
			return old, nil
		}
	}
	if err := create(m.registrations, r.ID, r); err != nil {
		return store.Registration{}, err
	}
	return r, nil
}

func (m *model) saveRejection(j store.Rejection) {
	if old, ok := m.rejections[j.ID]; ok {
		j.Count += old.Count
		j.FirstAt = old.FirstAt
	}
	m.rejections[j.ID] = j
}

func (m *model) listRejections() []store.Rejection {
	return slices.SortedFunc(maps.Values(m.rejections), func(a, b store.Rejection) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt), cmp.Compare(a.ID, b.ID))
	})
}

func (m *model) answerIdempotentWrite(key store.Hash, at time.Time, answer []byte) error {
	if w, ok := m.idempotent[key]; !ok || !w.AnsweredAt.IsZero() {
		return store.ErrNotFound
	}
	return change(m.idempotent, key, func(w *store.IdempotentWrite) { w.AnsweredAt, w.Answer = at, answer })
}

// lastApproval is when a client was last approved; zero if never.
func lastApproval(c store.Client) time.Time {
	if c.ApprovedAt.After(c.AuthorizedAt) {
		return c.ApprovedAt
	}
	return c.AuthorizedAt
}

func (m *model) upsertUser(u store.User) (store.User, error) {
	for id, old := range m.users {
		if old.Domain == u.Domain && old.Issuer == u.Issuer && old.Subject == u.Subject {
			old.Email, old.Name, old.Groups, old.SignedIn = u.Email, u.Name, u.Groups, u.SignedIn
			m.users[id] = old
			return old, nil
		}
	}
	if err := create(m.users, u.ID, u); err != nil {
		return store.User{}, err
	}
	return u, nil
}

func (m *model) deleteSession(h store.Hash) {
	delete(m.sessions, h)
	maps.DeleteFunc(m.approvals, func(_ string, a store.Approval) bool { return a.SessionHash == h })
}

func (m *model) deleteUserSessions(userID string) {
	for h, s := range m.sessions {
		if s.UserID == userID {
			m.deleteSession(h)
		}
	}
	maps.DeleteFunc(m.approvals, func(_ string, a store.Approval) bool { return a.UserID == userID })
}

func (m *model) deleteSessionsAtIDP(userID, idpSession string) {
	for h, s := range m.sessions {
		if s.UserID == userID && s.IDPSession == idpSession {
			m.deleteSession(h)
		}
	}
}

func (m *model) revokeCodesAtIDP(userID, idpSession string, at time.Time) {
	for h, c := range m.codes {
		if c.UserID == userID && c.IDPSession == idpSession && c.ConsumedAt.IsZero() && c.RevokedAt.IsZero() {
			c.RevokedAt = at
			m.codes[h] = c
		}
	}
}

// people are those for whom when is true, by id.
func (m *model) people(when func(store.User) bool) []store.User {
	var out []store.User
	for _, u := range m.users {
		if when(u) {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b store.User) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func (m *model) person(domain, issuer, subject string) (store.User, error) {
	found := m.people(func(u store.User) bool { return u.Domain == domain && u.Issuer == issuer && u.Subject == subject })
	if len(found) == 0 {
		return store.User{}, store.ErrNotFound
	}
	return found[0], nil
}

func (m *model) peopleAtIDP(s store.IDPSession) []store.User {
	at := map[string]bool{}
	for _, row := range m.sessions {
		at[row.UserID] = at[row.UserID] || row.IDPSession == s.ID
	}
	for _, row := range m.codes {
		at[row.UserID] = at[row.UserID] || row.IDPSession == s.ID && row.ConsumedAt.IsZero() && row.RevokedAt.IsZero()
	}
	for _, row := range m.families {
		at[row.UserID] = at[row.UserID] || row.IDPSession == s.ID && row.RevokedAt.IsZero()
	}
	return m.people(func(u store.User) bool { return u.Domain == s.Domain && u.Issuer == s.Issuer && at[u.ID] })
}

func (m *model) revokeCodes(userID, clientID string, at time.Time) {
	for h, c := range m.codes {
		if c.UserID == userID && (clientID == "" || c.ClientID == clientID) && c.ConsumedAt.IsZero() && c.RevokedAt.IsZero() {
			c.RevokedAt = at
			m.codes[h] = c
		}
	}
}

func (m *model) access(h store.Hash) (store.Access, error) {
	t, okToken := m.tokens[h]
	f := m.families[t.FamilyID]
	u, okUser := m.users[f.UserID]
	c, okClient := m.clients[f.ClientID]
	if !okToken || !okUser || !okClient {
		return store.Access{}, store.ErrNotFound
	}
	return store.Access{Token: t, Family: f, User: u, Client: c}, nil
}

func (m *model) live(of func(store.Family) bool, now time.Time) []store.Family {
	var out []store.Family
	for _, f := range m.families {
		if of(f) && f.RevokedAt.IsZero() && f.AbsoluteEnd.After(now) && f.IdleEnd.After(now) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b store.Family) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// sweep is Sweep without a limit.
func (m *model) sweep(now time.Time) store.Swept {
	var out store.Swept
	out.Approvals = drop(m.approvals, func(a store.Approval) bool { return a.ExpiresAt.Before(now) })
	for h, s := range m.sessions {
		if s.ExpiresAt.Before(now) {
			m.deleteSession(h)
			out.Sessions++
		}
	}
	out.Codes = drop(m.codes, func(c store.Code) bool { return c.ExpiresAt.Add(store.KeepCode).Before(now) })
	out.AccessTokens = drop(m.tokens, func(t store.AccessToken) bool { return t.ExpiresAt.Before(now) })
	for k, g := range m.generations {
		if len(g.Sealed) > 0 && g.RotatedAt.Add(store.KeepSealed).Before(now) {
			g.Sealed = nil
			m.generations[k] = g
			out.SealedAnswers++
		}
	}
	out.Families = drop(m.families, func(f store.Family) bool { return ended(f).Add(store.KeepFamily).Before(now) })
	maps.DeleteFunc(m.generations, func(k generationKey, _ store.Generation) bool { return !has(m.families, k.family) })
	maps.DeleteFunc(m.tokens, func(_ store.Hash, t store.AccessToken) bool { return !has(m.families, t.FamilyID) })
	out.Clients = drop(m.clients, func(c store.Client) bool {
		if m.inUse(c.ID) {
			return false
		}
		if c.AuthorizedAt.IsZero() {
			return c.CreatedAt.Add(store.KeepUnusedClient).Before(now)
		}
		return lastApproval(c).Add(store.KeepUsedClient).Before(now)
	})
	out.Registrations = drop(m.registrations, func(r store.Registration) bool {
		return r.SeenAt.Add(2 * store.KeepUnusedClient).Before(now)
	})
	out.Removals = drop(m.removed, func(at time.Time) bool { return at.Add(store.KeepUnusedClient).Before(now) })
	out.Rejections = drop(m.rejections, func(j store.Rejection) bool { return j.LastAt.Add(store.KeepRejection).Before(now) })
	out.Consents = drop(m.consents, func(c store.Consent) bool { return c.GrantedAt.Add(store.KeepConsent).Before(now) })
	out.IdempotentWrites = drop(m.idempotent, func(w store.IdempotentWrite) bool { return w.SentAt.Add(store.KeepIdempotency).Before(now) })
	out.LogoutTokens = drop(m.logouts, func(until time.Time) bool { return until.Before(now) })
	return out
}

// inUse says that a family or an open consent page names the client.
func (m *model) inUse(clientID string) bool {
	for _, f := range m.families {
		if f.ClientID == clientID {
			return true
		}
	}
	for _, a := range m.approvals {
		if a.ClientID == clientID {
			return true
		}
	}
	return false
}

// ended is when f ended, or will at the latest.
func ended(f store.Family) time.Time {
	end := f.AbsoluteEnd
	for _, t := range []time.Time{f.IdleEnd, f.RevokedAt} {
		if !t.IsZero() && t.Before(end) {
			end = t
		}
	}
	return end
}

func drop[K comparable, V any](rows map[K]V, when func(V) bool) int {
	before := len(rows)
	maps.DeleteFunc(rows, func(_ K, v V) bool { return when(v) })
	return before - len(rows)
}
