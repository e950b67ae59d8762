package caddymodule

import (
	"context"
	"log/slog"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/exp/zapslog"
)

// liveLog returns a logger for what outlives a configuration: it always writes
// to the logs of the current one.
func liveLog(name string) *slog.Logger { return slog.New(&liveHandler{name: name}) }

// liveHandler resolves Caddy's logger at each record. It is for rare messages,
// not for the hot path.
type liveHandler struct {
	name  string
	steps []func(slog.Handler) slog.Handler
}

func (h *liveHandler) current() slog.Handler {
	var handler slog.Handler = zapslog.NewHandler(caddy.Log().Core(), zapslog.WithName(h.name), zapslog.AddStacktraceAt(slog.Level(127)))
	for _, step := range h.steps {
		handler = step(handler)
	}
	return handler
}

// Enabled implements slog.Handler.
func (h *liveHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.current().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *liveHandler) Handle(ctx context.Context, record slog.Record) error {
	return h.current().Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *liveHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *liveHandler) WithGroup(name string) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

func (h *liveHandler) with(step func(slog.Handler) slog.Handler) slog.Handler {
	steps := make([]func(slog.Handler) slog.Handler, 0, len(h.steps)+1)
	return &liveHandler{name: h.name, steps: append(append(steps, h.steps...), step)}
}
