package storetest

import (
	"context"
	"maps"
	"time"

	"pgregory.net/rapid"

	"github.com/teamlumos/mcp-edge/authz/store"
)

// operations do one random thing to both the engine and the model, and return
// the error of each.
var operations = []func(w *walk, ctx context.Context, tx store.Tx) (got, want error){
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		c := sampleClient(w.name("client"))
		c.AuthorizedAt = w.when("authorized")
		return tx.CreateClient(ctx, c), w.model.createClient(c)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		c := sampleClient(w.name("client"))
		if rapid.Bool().Draw(w.T, "of a document") {
			c = documentClient(c.ID)
		}
		c.Name = w.name("display name")
		c.CreatedAt, c.AuthorizedAt, c.UpdatedAt = w.when("created"), w.when("authorized"), w.when("updated")
		c.ApprovedAt = w.when("approved")
		w.model.putClient(c)
		return tx.PutClient(ctx, c), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		d := sampleDocument(w.name("document"))
		d.Body = rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(w.T, "body")
		d.FetchedAt, d.ExpiresAt = w.when("fetched"), w.when("expires")
		w.model.documents[d.URL] = d
		return tx.SaveDocument(ctx, d), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id, at := w.name("client"), w.end("at")
		return tx.MarkClientAuthorized(ctx, id, at), change(w.model.clients, id, func(c *store.Client) {
			if c.AuthorizedAt.IsZero() {
				c.AuthorizedAt = at
			}
			c.ApprovedAt = at
		})
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id := w.name("client")
		return tx.DeleteClient(ctx, id), remove(w.model.clients, id)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id, at := w.name("client"), w.end("at")
		delete(w.model.clients, id)
		if old := w.model.removed[id]; at.After(old) {
			w.model.removed[id] = at
		}
		return tx.RemoveClient(ctx, id, at), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		r := sampleRegistration(w.name("registration"))
		r.Fold, r.CreatedAt, r.SeenAt = w.hash("fold"), w.end("created"), w.end("seen")
		stored, got := tx.SaveRegistration(ctx, r)
		model, want := w.model.saveRegistration(r)
		w.equal("saved registration", stored, model)
		return got, want
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		j := sampleRejection(w.name("rejection"))
		j.ClientName, j.FirstAt, j.LastAt = w.name("display name"), w.end("first"), w.end("last")
		j.Count = rapid.IntRange(1, 9).Draw(w.T, "count")
		w.model.saveRejection(j)
		return tx.SaveRejection(ctx, j), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id := w.name("rejection")
		return tx.DeleteRejection(ctx, id), remove(w.model.rejections, id)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		c := sampleConsent(w.name("user"), w.name("client"))
		c.GrantedAt, c.MetadataHash = w.end("granted"), w.hash("metadata")
		if !has(w.model.users, c.UserID) {
			return tx.SaveConsent(ctx, c), store.ErrNotFound
		}
		w.model.consents[c.Key()] = c
		return tx.SaveConsent(ctx, c), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		user, client := w.name("user"), w.name("client")
		switch rapid.IntRange(0, 2).Draw(w.T, "whose") {
		case 0:
			user = ""
		case 1:
			client = ""
		}
		maps.DeleteFunc(w.model.consents, func(k store.ConsentKey, _ store.Consent) bool {
			return (user == "" || k.UserID == user) && (client == "" || k.ClientID == client)
		})
		return tx.DeleteConsents(ctx, user, client), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id := w.name("client")
		maps.DeleteFunc(w.model.approvals, func(_ string, a store.Approval) bool { return a.ClientID == id })
		return tx.DeleteApprovalsOfClient(ctx, id), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		i := sampleIdempotentWrite(w.name("key"))
		i.SentAt = w.end("sent")
		i.AnsweredAt, i.Answer = w.rotation()
		return tx.CreateIdempotentWrite(ctx, i), create(w.model.idempotent, i.Key, i)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		key, at, answer := w.hash("key"), w.end("answered"), rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(w.T, "answer")
		return tx.AnswerIdempotentWrite(ctx, key, at, answer), w.model.answerIdempotentWrite(key, at, answer)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		key := w.hash("key")
		return tx.DeleteIdempotentWrite(ctx, key), remove(w.model.idempotent, key)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		client, at := w.name("client"), w.end("at")
		for h, c := range w.model.codes {
			if c.ClientID == client && c.ConsumedAt.IsZero() && c.RevokedAt.IsZero() {
				c.RevokedAt = at
				w.model.codes[h] = c
			}
		}
		return tx.RevokeCodesOfClient(ctx, client, at), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		family, gen, before := w.name("family"), rapid.Uint32Range(0, 4).Draw(w.T, "gen"), w.end("before")
		maps.DeleteFunc(w.model.generations, func(k generationKey, g store.Generation) bool {
			return k.family == family && k.gen < gen && !g.RotatedAt.IsZero() && g.RotatedAt.Before(before)
		})
		return tx.PruneGenerations(ctx, family, gen, before), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		u := sampleUser(w.name("person"))
		u.ID, u.Email, u.SignedIn = w.name("user id"), w.name("email"), w.when("signed in")
		stored, got := tx.UpsertUser(ctx, u)
		model, want := w.model.upsertUser(u)
		w.equal("upserted", stored, model)
		return got, want
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		s := sampleSession(w.name("session"), w.name("user"))
		s.ExpiresAt = w.end("expires")
		return tx.CreateSession(ctx, s), create(w.model.sessions, s.Hash, s, has(w.model.users, s.UserID))
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		h := w.hash("session")
		w.model.deleteSession(h)
		return tx.DeleteSession(ctx, h), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id := w.name("user")
		w.model.deleteUserSessions(id)
		return tx.DeleteUserSessions(ctx, id), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		a := sampleApproval(w.name("approval"), w.name("session"), w.name("user"), w.name("client"))
		a.ExpiresAt = w.end("expires")
		return tx.CreateApproval(ctx, a), create(w.model.approvals, a.ID, a,
			has(w.model.sessions, a.SessionHash), has(w.model.users, a.UserID))
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id, csrf := w.name("approval"), w.hash("form")
		return tx.SetApprovalCSRF(ctx, id, csrf), change(w.model.approvals, id, func(a *store.Approval) { a.CSRFHash = csrf })
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		id := w.name("approval")
		return tx.DeleteApproval(ctx, id), remove(w.model.approvals, id)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		c := sampleCode(w.name("code"), w.name("user"), w.name("client"))
		c.ExpiresAt, c.ConsumedAt = w.end("expires"), w.when("consumed")
		return tx.CreateCode(ctx, c), create(w.model.codes, c.Hash, c, has(w.model.users, c.UserID))
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		c := store.Code{
			Hash: w.hash("code"), ConsumedAt: w.when("consumed"), RevokedAt: w.when("revoked"),
			Failures: rapid.IntRange(0, 5).Draw(w.T, "failures"),
		}
		return tx.SaveCode(ctx, c), change(w.model.codes, c.Hash, func(m *store.Code) {
			m.ConsumedAt, m.RevokedAt, m.Failures = c.ConsumedAt, c.RevokedAt, c.Failures
		})
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		user, client, at := w.name("user"), w.name("client"), w.end("at")
		if rapid.Bool().Draw(w.T, "all clients") {
			client = ""
		}
		w.model.revokeCodes(user, client, at)
		return tx.RevokeCodesOfUser(ctx, user, client, at), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		user, session, at := w.name("user"), atIDP(w.name("idp session")), w.end("at")
		w.model.revokeCodesAtIDP(user, session, at)
		return tx.RevokeCodesAtIDP(ctx, user, session, at), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		user, session := w.name("user"), atIDP(w.name("idp session"))
		w.model.deleteSessionsAtIDP(user, session)
		return tx.DeleteSessionsAtIDP(ctx, user, session), nil
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		h, until := w.hash("logout token"), w.end("until")
		return tx.UseLogoutToken(ctx, h, until), create(w.model.logouts, h, until)
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		f := sampleFamily(w.name("family"), w.name("user"), w.name("client"))
		f.CreatedAt, f.AbsoluteEnd, f.IdleEnd = w.end("created"), w.end("absolute end"), w.end("idle end")
		return tx.CreateFamily(ctx, f), create(w.model.families, f.ID, f, has(w.model.users, f.UserID))
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		f := store.Family{ID: w.name("family"), Gen: rapid.Uint32().Draw(w.T, "gen"), IdleEnd: w.end("idle end")}
		if f.RevokedAt = w.when("revoked"); !f.RevokedAt.IsZero() {
			f.RevokedWhy = "user"
		}
		return tx.SaveFamily(ctx, f), change(w.model.families, f.ID, func(m *store.Family) {
			m.Gen, m.IdleEnd, m.RevokedAt, m.RevokedWhy = f.Gen, f.IdleEnd, f.RevokedAt, f.RevokedWhy
		})
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		g := sampleGeneration(w.name("family"), rapid.Uint32Range(0, 3).Draw(w.T, "gen"))
		g.RotatedAt, g.Sealed = w.rotation()
		key := generationKey{g.FamilyID, g.Gen}
		return tx.CreateGeneration(ctx, g), create(w.model.generations, key, g, has(w.model.families, g.FamilyID))
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		g := store.Generation{FamilyID: w.name("family"), Gen: rapid.Uint32Range(0, 3).Draw(w.T, "gen")}
		g.RotatedAt, g.Sealed = w.rotation()
		key := generationKey{g.FamilyID, g.Gen}
		return tx.SaveGeneration(ctx, g), change(w.model.generations, key, func(m *store.Generation) {
			m.RotatedAt, m.Sealed = g.RotatedAt, g.Sealed
		})
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		a := sampleToken(w.name("token"), w.name("family"))
		a.ExpiresAt = w.end("expires")
		return tx.CreateAccessToken(ctx, a), create(w.model.tokens, a.Hash, a, has(w.model.families, a.FamilyID))
	},
	func(w *walk, ctx context.Context, tx store.Tx) (got, want error) {
		a := store.AccessToken{Hash: w.hash("token"), RevokedAt: w.when("revoked")}
		return tx.SaveAccessToken(ctx, a), change(w.model.tokens, a.Hash, func(m *store.AccessToken) {
			m.RevokedAt = a.RevokedAt
		})
	},
}

// rotation is a moment with a sealed answer, or neither.
func (w *walk) rotation() (time.Time, []byte) {
	at := w.when("rotated")
	if at.IsZero() {
		return at, nil
	}
	return at, rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(w.T, "sealed")
}
