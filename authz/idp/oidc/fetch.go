package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/teamlumos/mcp-edge/authz/idp"
)

const (
	fetchTimeout = 10 * time.Second
	// maxAnswer is the largest answer that is read from a provider, in bytes.
	maxAnswer = 512 << 10
)

var errTooLarge = errors.New("answer too large")

// fetcher reads documents of a provider.
type fetcher struct{ client *http.Client }

// newFetcher returns a fetcher that uses base's transport. It follows no
// redirect: an endpoint that was checked must be the one that is asked.
func newFetcher(base *http.Client) fetcher {
	client := http.Client{Timeout: fetchTimeout}
	if base != nil {
		client = *base
	}
	if client.Timeout == 0 || client.Timeout > fetchTimeout {
		client.Timeout = fetchTimeout
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	client.Transport = cappedTransport{transport}
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return fetcher{client: &client}
}

// json reads the document at url into v. Errors are idp.ErrUnavailable: a
// document that cannot be had or read denies nobody.
func (f fetcher) json(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, cause(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: status %d", idp.ErrUnavailable, resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, cause(err))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: not the JSON document that was expected", idp.ErrUnavailable)
	}
	return nil
}

// cappedTransport bounds every answer, those included that a library reads.
type cappedTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t cappedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type cappedBody struct {
	io.ReadCloser
	left int64
}

// Read fails once more than the cap was read; a cut document is never taken for
// a whole one.
func (b *cappedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
