package audit

import (
	"context"
	"errors"
)

// Multi returns a Recorder that gives each event to all of recorders, in their
// order. When some fail the others still have it, and Record returns the joined
// errors: the event then counts as not recorded.
func Multi(recorders ...Recorder) Recorder { return multi(recorders) }

type multi []Recorder

func (m multi) Record(ctx context.Context, e Event) error {
	var errs []error
	for _, r := range m {
		if err := r.Record(ctx, e); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
