package oauth

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// wireError is the body of an error answer (RFC 6749 §5.2).
type wireError struct {
	Error       Code   `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// WriteJSON answers v as JSON that no cache may keep (RFC 6749 §5.1).
func WriteJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		slog.Error("encoding an answer", "error", err) // our own types: cannot fail but by a fault of ours
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// SetRetryAfter tells a client when to come back (RFC 9110 §10.2.3), in whole
// seconds and never too early. Zero sets nothing.
func SetRetryAfter(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}

// WriteError is the one writer of error answers of the JSON endpoints.
func WriteError(w http.ResponseWriter, e *Error) {
	SetRetryAfter(w.Header(), e.RetryAfter)
	if e.Status == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
		w.Header().Set("Allow", http.MethodPost)
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	WriteJSON(w, status, wireError{Error: e.Code, Description: e.Description})
}
