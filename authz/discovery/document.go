package discovery

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// Document is one public JSON document, encoded once. It is safe for concurrent
// use.
type Document struct {
	body    []byte
	etag    string
	caching string // Cache-Control
}

// documentLife is how long anyone may keep a metadata document.
const documentLife = 5 * time.Minute

func newDocument(v any) (*Document, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a discovery document: %w", err)
	}
	return documentOf(body, documentLife), nil
}

func documentOf(body []byte, life time.Duration) *Document {
	sum := sha256.Sum256(body)
	return &Document{
		body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
		caching: "public, max-age=" + strconv.Itoa(int(life/time.Second)),
	}
}

// Bytes returns the JSON text.
func (d *Document) Bytes() []byte { return slices.Clone(d.body) }

// ServeHTTP answers GET and HEAD from any origin, conditional requests with 304
// (RFC 9110 §13.1.2), and the preflight of browsers.
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !public(w, r) {
		return
	}
	h := w.Header()
	h.Set("Cache-Control", d.caching)
	h.Set("ETag", d.etag)
	if d.known(r.Header["If-None-Match"]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(d.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(d.body) // a client that left needs no answer
	}
}

// known says whether an If-None-Match header names this document, by the weak
// comparison of RFC 9110 §13.1.2.
func (d *Document) known(headers []string) bool {
	for _, header := range headers {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == d.etag || tag == "*" {
				return true
			}
		}
	}
	return false
}

// NotFound answers 404 as JSON. Clients probe several addresses and take HTML,
// or an error of the server, for a broken server instead of a missing document.
func NotFound(w http.ResponseWriter, r *http.Request) {
	if !public(w, r) {
		return
	}
	oauth.WriteError(w, &oauth.Error{Code: oauth.InvalidRequest, Description: "no such document", Status: http.StatusNotFound})
}

// public says whether the request is to be answered, for any origin; it answers
// preflights and other methods itself.
func public(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	oauth.AllowAnyOrigin(h)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodOptions:
		oauth.Preflight(w, http.MethodGet, http.MethodHead, http.MethodOptions)
		return false
	}
	h.Set("Allow", "GET, HEAD, OPTIONS")
	oauth.WriteError(w, &oauth.Error{Code: oauth.InvalidRequest, Description: "use GET", Status: http.StatusMethodNotAllowed})
	return false
}
