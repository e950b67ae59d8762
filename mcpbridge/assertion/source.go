package assertion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// maxKeySet is the longest key set that is read, in bytes.
const maxKeySet = 256 << 10

// FromURL reads the key set at address, which an operator chose: it may lie in a
// private network. base may be nil; its transport is used and nothing else of it.
// No redirect is followed.
func FromURL(address string, base *http.Client) Source {
	client := &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if base != nil {
		client.Transport = base.Transport
	}
	return func(ctx context.Context) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("status %d", resp.StatusCode)
		}
		return readAll(resp.Body)
	}
}

// FromFile reads the key set that somebody keeps in a file.
func FromFile(name string) Source {
	return func(context.Context) ([]byte, error) {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return readAll(file)
	}
}

func readAll(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxKeySet { // a cut text is never taken for a whole one
		return nil, errors.New("too long")
	}
	return raw, nil
}
