package appstore

import (
	"encoding/json"
	"net/http"
)

// answer is what a route decides.
type answer struct {
	status int
	header http.Header
	body   any // nil: no body
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// refusal is an error with one text.
func refusal(status int, detail string) answer {
	return answer{status: status, body: struct {
		Detail string `json:"detail"`
	}{detail}}
}

// fieldError is one entry of a 422 answer in the list form.
type fieldError struct {
	Loc  []any  `json:"loc"` // strings and indexes
	Msg  string `json:"msg"`
	Type string `json:"type"`
}

// invalid is a 422 answer in the list form.
func invalid(errors ...fieldError) answer {
	return answer{status: http.StatusUnprocessableEntity, body: struct {
		Detail []fieldError `json:"detail"`
	}{errors}}
}

// write sends the answer. Retry-After is on every answer, as on the real host:
// it asks to wait only together with status 429.
func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	body, err := encode(a.body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}

// rawBody is JSON, or what a test passes off as JSON, that is sent unchanged.
type rawBody string

func encode(body any) ([]byte, error) {
	if raw, isRaw := body.(rawBody); isRaw {
		return []byte(raw), nil
	}
	return json.Marshal(body)
}
