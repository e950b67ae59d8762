package web

import (
	"crypto/sha256"
	_ "embed" // for the stylesheet
	"encoding/hex"
	"net/http"
	"strconv"
)

//go:embed assets/style.css
var style []byte

// stylePath names the stylesheet by its content, so that it may be cached for
// ever and a new one is fetched at once.
var stylePath = func() string {
	sum := sha256.Sum256(style)
	return "/assets/style." + hex.EncodeToString(sum[:8]) + ".css"
}()

// Assets serves /assets/: the one stylesheet.
func (p *Pages) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.URL.Path != stylePath:
			h.Set("Cache-Control", "no-store") // a newer node may know this name
			w.WriteHeader(http.StatusNotFound)
		default:
			h.Set("Content-Type", "text/css; charset=utf-8")
			h.Set("Content-Length", strconv.Itoa(len(style)))
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
			h.Set("Cross-Origin-Resource-Policy", "same-origin")
			_, _ = w.Write(style) // net/http drops the body of HEAD
		}
	})
}
