package sqlite

import (
	"context"

	"github.com/teamlumos/mcp-edge/authz/store"
)

var (
	selectRejections = query("rejections", `SELECT j.id, j.kind, j.client_name, j.redirect_uris, j.document, j.profile,
		j.reason, j.advice, j.client_ip, j.count, j.first_at, j.last_at
		FROM rejections j WHERE j.last_at > 0 ORDER BY j.last_at DESC, j.id LIMIT ?`)
	saveRejection = command("save rejection", `INSERT INTO rejections (id, kind, client_name, redirect_uris, document, profile,
		reason, advice, client_ip, count, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, client_name = excluded.client_name,
		redirect_uris = excluded.redirect_uris, document = excluded.document, profile = excluded.profile,
		reason = excluded.reason, advice = excluded.advice, client_ip = excluded.client_ip,
		count = rejections.count + excluded.count, last_at = excluded.last_at`)
	trimRejections = command("trim rejections", `DELETE FROM rejections WHERE id IN (
		SELECT id FROM rejections WHERE last_at > 0 ORDER BY last_at DESC, id LIMIT -1 OFFSET ?)`)
	deleteRejection = command("delete rejection", `DELETE FROM rejections WHERE id = ?`)
)

// Rejections implements store.RejectionReader.
func (r reads) Rejections(ctx context.Context, limit int) ([]store.Rejection, error) {
	var out []store.Rejection
	err := r.each(ctx, selectRejections, func(scan scanner) error {
		var j store.Rejection
		err := scan(&j.ID, &j.Kind, &j.ClientName, toList{&j.RedirectURIs}, &j.Document, &j.Profile,
			&j.Reason, &j.Advice, &j.ClientIP, &j.Count, toTime{&j.FirstAt}, toTime{&j.LastAt})
		out = append(out, j)
		return err
	}, max(limit, 0))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// SaveRejection implements store.RejectionWriter.
func (t *tx) SaveRejection(ctx context.Context, j store.Rejection) error {
	err := t.insert(ctx, saveRejection, j.ID, j.Kind, j.ClientName, jsonList(j.RedirectURIs), j.Document, j.Profile,
		j.Reason, j.Advice, j.ClientIP, j.Count, micros(j.FirstAt), micros(j.LastAt))
	if err != nil {
		return err
	}
	return t.insert(ctx, trimRejections, store.KeepRejections)
}

// DeleteRejection implements store.RejectionWriter.
func (t *tx) DeleteRejection(ctx context.Context, id string) error {
	return t.change(ctx, deleteRejection, id)
}
