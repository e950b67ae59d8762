package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Bounds of what is taken from an answer that reports a failure.
const (
	maxErrorBody      = 64 << 10
	defaultRetryAfter = 5 * time.Second
	maxRetryAfter     = time.Hour
)

// errTooLarge says that an answer is longer than Config.MaxAnswer.
var errTooLarge = errors.New("answer too large")

// read returns the body of a, the answer to r, if it reports success; nil if it
// has none.
func (c *Client) read(ctx context.Context, r *Request, a *http.Response) ([]byte, error) {
	if a.StatusCode < 200 || a.StatusCode > 299 {
		return nil, c.refusal(r, a)
	}
	if a.StatusCode == http.StatusNoContent || a.ContentLength == 0 {
		return nil, nil
	}
	// From here on a write has most likely taken effect: whatever is wrong with
	// the answer, its outcome is unknown and not "failed".
	if !isJSON(a.Header.Get("Content-Type")) {
		return nil, &Error{Kind: BadAnswer, Status: a.StatusCode, OutcomeUnknown: r.write(), Cause: errors.New("answer is not JSON")}
	}
	body, err := readAll(a, c.cfg.MaxAnswer)
	if errors.Is(err, errTooLarge) {
		return nil, &Error{Kind: BadAnswer, Status: a.StatusCode, OutcomeUnknown: r.write(), Cause: err}
	}
	if err != nil {
		e := exchangeError(ctx, err, r.write())
		e.Status = a.StatusCode
		return nil, e
	}
	return body, nil
}

// readAll reads the body of a up to limit bytes, or fails with errTooLarge.
func readAll(a *http.Response, limit int64) ([]byte, error) {
	if a.ContentLength > limit {
		return nil, errTooLarge
	}
	body := make([]byte, 0, max(a.ContentLength+1, 512))
	limited := io.LimitReader(a.Body, limit+1)
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := limited.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Decode reads the JSON answer into v. Unknown members are ignored, because the
// interface grows between releases; anything else that does not fit is an
// *Error of kind BadAnswer. For the answer to a write, say so by write.
func Decode(body []byte, v any, write bool) error {
	if err := json.Unmarshal(body, v); err != nil {
		// The decoder's message may quote the answer; its type tells enough.
		return &Error{Kind: BadAnswer, OutcomeUnknown: write, Cause: fmt.Errorf("answer does not fit: %T", err)}
	}
	return nil
}

// refusal returns the Error for an answer that is not a success.
func (c *Client) refusal(r *Request, a *http.Response) *Error {
	e := &Error{Status: a.StatusCode}
	switch code := a.StatusCode; {
	case code == http.StatusUnauthorized:
		e.Kind = RefusedGateway
	case code == http.StatusForbidden:
		e.Kind = Forbidden
		e.Detail = detail(a)
		// FastAPI's bearer helper has this answer for a credential that it does
		// not take: it is about the gateway and not about the person.
		if e.Detail == "Not authenticated" {
			e.Kind, e.Detail = RefusedGateway, ""
		}
	case code == http.StatusNotFound, code == http.StatusGone:
		e.Kind = NotFound
		e.Detail = detail(a)
	case code == http.StatusConflict:
		e.Kind = Conflict
		e.Detail = detail(a)
	case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity:
		e.Kind = Validation
		e.Detail = detail(a)
	case code == http.StatusTooManyRequests:
		e.Kind = RateLimited
		e.RetryAfter = cmp.Or(c.retryAfter(a.Header), defaultRetryAfter)
	case code >= 500:
		e.Kind = Unavailable
		e.RetryAfter = c.retryAfter(a.Header)
		e.OutcomeUnknown = r.write()
	default:
		// Redirects and everything that the interface does not know.
		e.Kind = BadAnswer
		e.OutcomeUnknown = r.write()
	}
	return e
}

// retryAfter returns the header of RFC 9110 §10.2.3, from 1 s to an hour, or 0
// if there is none.
func (c *Client) retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(c.cfg.Clock.Now())
	} else {
		return 0
	}
	// Rounded up, so that a call at that time is not one moment too early.
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return min(max(wait, time.Second), maxRetryAfter)
}

// isJSON reports whether a content type is JSON (RFC 8259, RFC 6839 §3.1).
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}
