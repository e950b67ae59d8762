package caddymodule

import (
	"context"
	"log/slog"
	"time"

	"github.com/teamlumos/mcp-edge/authz/keys"
)

// refresher reads signing keys again; *keys.Set is one.
type refresher interface {
	Refresh(ctx context.Context) (changed bool, err error)
}

// keyWatch brings rotations of the signing keys into a running gateway, as long
// as the runtime is open. It asks the storage instead of waiting for a reload,
// because a rotation is timed for nodes that find it within keys.RefreshEvery.
type keyWatch struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func startKeyWatch(set refresher, log *slog.Logger) *keyWatch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &keyWatch{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		ticker := time.NewTicker(keys.RefreshEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				refreshKeys(ctx, set, log)
			}
		}
	}()
	return w
}

func refreshKeys(ctx context.Context, set refresher, log *slog.Logger) {
	changed, err := set.Refresh(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		// It goes on with what it has. That is dangerous only while a rotation is
		// under way: this node would sign with a key that the others withdraw.
		log.Error("the signing keys cannot be read again; a rotation would not be noticed here", "error", err)
	case changed:
		log.Info("the signing keys are being rotated")
	}
}

// stop ends the watch and waits for it. It does nothing on a nil watch.
func (w *keyWatch) stop() {
	if w == nil {
		return
	}
	w.cancel()
	<-w.done
}
