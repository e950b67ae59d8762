package safehttp

import (
	"errors"
	"log/slog"
)

// The kinds of failure. Their texts are the same for every address and say
// nothing about a network, so that they may be shown to who named the URL.
var (
	// ErrURL says that the URL has a form that is never fetched.
	ErrURL = errors.New("the address is not one that is fetched")
	// ErrUnavailable says that no answer could be had: the name is unknown, the
	// address is not a public one, the connection failed, TLS failed, the time was
	// up. These are one kind because the difference would map a private network.
	ErrUnavailable = errors.New("the address could not be read")
	// ErrStatus says that the status was not exactly 200. A redirect is one of these.
	ErrStatus = errors.New("the address did not answer with status 200")
	// ErrType says that the answer was not JSON, or was encoded in a way that was
	// not asked for.
	ErrType = errors.New("the address did not answer with JSON")
	// ErrTooLarge says that the answer was longer than the cap.
	ErrTooLarge = errors.New("the answer is too long")
)

// Error is a fetch that failed. Its text is that of its kind; what exactly
// happened is for operators only.
type Error struct {
	// Kind is one of the errors of this package.
	Kind error
	// Detail says what happened. It may hold addresses of our network and text
	// that the other side chose: it belongs in a log and nowhere else.
	Detail string
}

// Error returns the text of the kind.
func (e *Error) Error() string { return e.Kind.Error() }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// LogValue adds the detail where an Error is logged.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", e.Kind.Error()), slog.String("detail", e.Detail))
}

// Detail returns the detail of the Error in err's chain, else err's own text.
func Detail(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Detail
	}
	return err.Error()
}
