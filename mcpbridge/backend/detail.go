package backend

import (
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/teamlumos/mcp-edge/mcpbridge/result"
)

// Bounds of the text that is made of an error body.
const (
	maxDetail      = 1000 // characters
	maxDetailItems = 10
)

// errorBody covers the three shapes of the interface's errors: a text, a list of
// validation errors, and the newer envelope with field errors.
type errorBody struct {
	Detail jsontext.Value `json:"detail"`
	Errors []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

type validationItem struct {
	Loc []jsontext.Value `json:"loc"`
	Msg string           `json:"msg"`
}

// detail returns what an error answer says, as one bounded line, or "".
func detail(a *http.Response) string {
	if !isJSON(a.Header.Get("Content-Type")) {
		return ""
	}
	body, err := io.ReadAll(io.LimitReader(a.Body, maxErrorBody))
	if err != nil {
		return ""
	}
	return flatten(body)
}

// flatten returns the text of an error body in any of its shapes.
func flatten(body []byte) string {
	var e errorBody
	if err := json.Unmarshal(body, &e); err != nil {
		return ""
	}
	var parts []string
	switch e.Detail.Kind() {
	case '"':
		var text string
		if err := json.Unmarshal(e.Detail, &text); err == nil && text != "" {
			parts = append(parts, text)
		}
	case '[':
		var items []validationItem
		if err := json.Unmarshal(e.Detail, &items); err != nil {
			return ""
		}
		for _, item := range items[:min(len(items), maxDetailItems)] {
			parts = append(parts, labelled(location(item.Loc), item.Msg))
		}
	}
	for _, f := range e.Errors[:min(len(e.Errors), maxDetailItems)] {
		parts = append(parts, labelled(f.Field, f.Message))
	}
	return result.Line(strings.Join(parts, "; "), maxDetail)
}

// location returns the place of a validation error, without the part that says
// where in the HTTP request it was: the reader knows no request.
func location(loc []jsontext.Value) string {
	var b strings.Builder
	for i, part := range loc {
		text := string(part)
		if part.Kind() == '"' {
			if err := json.Unmarshal(part, &text); err != nil {
				continue
			}
		}
		if i == 0 && (text == "body" || text == "query" || text == "path") {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(text)
	}
	return b.String()
}

func labelled(label, text string) string {
	if label == "" {
		return text
	}
	return label + ": " + text
}
