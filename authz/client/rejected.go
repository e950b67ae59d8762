package client

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/teamlumos/mcp-edge/authz/limit"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/flood"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// rejectedPerAddress bounds the rows that one address can put before operators.
var rejectedPerAddress = limit.Rate{Events: 30, Per: time.Hour, Burst: 30}

// Rejections keeps what was refused because nothing allows it. It is a help for
// operators and no part of the decision: what cannot be kept is logged, and the
// answer stays what it is. It is safe for concurrent use.
type Rejections struct {
	store    store.Updater
	limiter  Limiter
	clock    clock.Clock
	log      *slog.Logger
	repeated flood.Gate // thins out writes about one attempt that is made again and again
}

// NewRejections returns Rejections over a store. A nil clock is the system's, a
// nil log slog.Default().
func NewRejections(s store.Updater, l Limiter, c clock.Clock, log *slog.Logger) (*Rejections, error) {
	if s == nil || l == nil {
		return nil, errors.New("rejected registrations: store and limiter are required")
	}
	if c == nil {
		c = clock.System
	}
	if log == nil {
		log = slog.Default()
	}
	return &Rejections{store: s, limiter: l, clock: c, log: log, repeated: flood.Gate{Every: 10 * time.Second}}, nil
}

// registration keeps a refused registration. profile is the one that it belongs
// to, if any.
func (r *Rejections) registration(ctx context.Context, m metadata, profile string, why *RedirectError) {
	redirects := portless(m.RedirectURIs)
	if !slices.ContainsFunc(redirects, quotable) { // nothing that an operator could admit
		return
	}
	name, ok := cleanText(m.ClientName)
	if !ok {
		name = ""
	}
	id := fold(store.Client{Profile: profile, RedirectURIs: redirects})
	r.keep(ctx, store.Rejection{
		ID: hex.EncodeToString(id[:16]), ClientName: name, RedirectURIs: redirects, Profile: profile,
		Reason: string(why.Reason), Advice: why.Text,
	})
}

// Document keeps that a client came with a metadata document that no profile
// lists.
func (r *Rejections) Document(ctx context.Context, url string) {
	if !quotable(url) {
		return
	}
	id := fold(store.Client{Kind: store.KindDocument, RedirectURIs: []string{url}})
	r.keep(ctx, store.Rejection{
		ID: hex.EncodeToString(id[:16]), Kind: store.KindDocument, Document: url, Reason: string(reason.ClientNoProfile),
		Advice: "is the metadata document of no known client",
	})
}

// keep writes j down, once in a while for one attempt and a bounded number of
// different ones for one address.
func (r *Rejections) keep(ctx context.Context, j store.Rejection) {
	now := r.clock.Now()
	pass, held := r.repeated.Pass(j.ID, now)
	if !pass {
		return
	}
	j.ClientIP = httpx.ClientIP(ctx)
	if !r.limiter.Take("rejected registration from "+limit.Address(j.ClientIP), rejectedPerAddress, now).OK {
		return
	}
	j.Count, j.FirstAt, j.LastAt = held+1, now, now
	ctx = context.WithoutCancel(ctx)
	if err := r.store.Update(ctx, func(tx store.Tx) error { return tx.SaveRejection(ctx, j) }); err != nil {
		r.log.WarnContext(ctx, "a refused registration could not be kept for the operators", "error", err)
	}
}
