package backend_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/teamlumos/mcp-edge/mcpbridge/backend"
)

// answered returns what the client makes of an answer.
func answered(tb testing.TB, r *backend.Request, a *http.Response) ([]byte, error) {
	tb.Helper()
	c, _ := newClient(tb, "https://api.example.com", roundTrip(func(*http.Request) (*http.Response, error) { return a, nil }))
	return c.Do(tb.Context(), r)
}

func TestEachStatusHasItsKind(t *testing.T) {
	t.Parallel()
	detail := `{"detail":"in words"}`
	tests := []struct {
		name         string
		status       int
		body         string
		want         backend.Error
		writeUnknown bool
	}{
		{"400 is about the input", 400, detail, backend.Error{Kind: backend.Validation, Detail: "in words"}, false},
		{"401 is about the gateway", 401, detail, backend.Error{Kind: backend.RefusedGateway}, false},
		{"403 is about the person", 403, detail, backend.Error{Kind: backend.Forbidden, Detail: "in words"}, false},
		{"403 of the bearer helper is about the gateway", 403, `{"detail":"Not authenticated"}`, backend.Error{Kind: backend.RefusedGateway}, false},
		{"404", 404, detail, backend.Error{Kind: backend.NotFound, Detail: "in words"}, false},
		{"409", 409, detail, backend.Error{Kind: backend.Conflict, Detail: "in words"}, false},
		{"410 is as 404", 410, detail, backend.Error{Kind: backend.NotFound, Detail: "in words"}, false},
		{"422", 422, detail, backend.Error{Kind: backend.Validation, Detail: "in words"}, false},
		{"429 without a time waits a little", 429, detail, backend.Error{Kind: backend.RateLimited, RetryAfter: 5 * time.Second}, false},
		{"500", 500, detail, backend.Error{Kind: backend.Unavailable}, true},
		{"502", 502, "<html>", backend.Error{Kind: backend.Unavailable}, true},
		{"503", 503, detail, backend.Error{Kind: backend.Unavailable}, true},
		{"302 is not followed", 302, detail, backend.Error{Kind: backend.BadAnswer}, true},
		{"308 is not followed", 308, detail, backend.Error{Kind: backend.BadAnswer}, true},
		{"418 is not in the interface", 418, detail, backend.Error{Kind: backend.BadAnswer}, true},
	}
	for _, tt := range tests {
		for _, w := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, write %v", tt.name, w), func(t *testing.T) {
				t.Parallel()
				r, want := read(), tt.want
				if w {
					r, want.OutcomeUnknown = write(), tt.writeUnknown
				}
				want.Status = tt.status
				a := jsonAnswer(tt.status, tt.body)
				a.Header.Set("Location", "https://evil.example/")
				_, err := answered(t, r, a)
				if diff := cmp.Diff(&want, asError(t, err), cmpopts.IgnoreFields(backend.Error{}, "Cause")); diff != "" {
					t.Errorf("error differs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestSuccessMustBeBoundedJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, contentType, body string
		length                  int64
		ok                      bool
	}{
		{"JSON", "application/json", `{}`, -1, true},
		{"JSON with a charset", "application/json; charset=utf-8", `{}`, -1, true},
		{"a JSON dialect", "application/problem+json", `{}`, -1, true},
		{"exactly at the limit", "application/json", strings.Repeat(" ", 1000), -1, true},
		{"one byte over the limit", "application/json", strings.Repeat(" ", 1001), -1, false},
		{"announced over the limit", "application/json", `{}`, 1001, false},
		{"HTML", "text/html", `{}`, -1, false},
		{"no content type", "", `{}`, -1, false},
		{"a lookalike", "text/json", `{}`, -1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := jsonAnswer(201, tt.body)
			a.Header.Set("Content-Type", tt.contentType)
			a.ContentLength = tt.length
			body, err := answered(t, write(), a)
			if tt.ok {
				if err != nil || string(body) != tt.body {
					t.Errorf("Do = %q, %v", body, err)
				}
				return
			}
			// The status said that it was done: it must not look as if it was not.
			if e := asError(t, err); e.Kind != backend.BadAnswer || !e.OutcomeUnknown || body != nil {
				t.Errorf("Do = %q, %v", body, e)
			}
		})
	}
}

func TestNoContentNeedsNoContentType(t *testing.T) {
	t.Parallel()
	r := read()
	r.Method = http.MethodDelete
	body, err := answered(t, r, &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody})
	if err != nil || body != nil {
		t.Errorf("Do = %q, %v", body, err)
	}
}

func TestRetryAfterIsWholeSecondsFromOneToAnHour(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header string
		want         time.Duration
	}{
		{"seconds", "7", 7 * time.Second},
		{"zero is one", "0", time.Second},
		{"too long is an hour", "86400", time.Hour},
		{"a date", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"a date in the past is one second", now.Add(-time.Hour).Format(http.TimeFormat), time.Second},
		{"negative is not understood", "-3", 5 * time.Second},
		{"fractions are not understood", "1.5", 5 * time.Second},
		{"words are not understood", "soon", 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := jsonAnswer(429, `{}`)
			a.Header.Set("Retry-After", tt.header)
			_, err := answered(t, read(), a)
			if got := asError(t, err).RetryAfter; got != tt.want {
				t.Errorf("RetryAfter = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestErrorBodiesAreFlattened(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"a text", `{"detail":"This access length is not offered."}`, "This access length is not offered."},
		{
			"a list of validation errors",
			`{"detail":[{"loc":["body","app_id"],"msg":"Field required","type":"missing","input":{"secret":1}},{"loc":["query","size"],"msg":"too big","type":"x"}]}`,
			"app_id: Field required; size: too big",
		},
		{"a place with an index", `{"detail":[{"loc":["body","ids",0],"msg":"bad","type":"x"}]}`, "ids.0: bad"},
		{
			"the newer envelope",
			`{"detail":"Invalid","type":"validation","code":"invalid","errors":[{"field":"note","code":"long","message":"too long"}]}`,
			"Invalid; note: too long",
		},
		{"hidden characters are dropped", `{"detail":"a\u202eb\u0000c"}`, "abc"},
		{"line breaks become spaces", `{"detail":"a\r\nb"}`, "a b"},
		{"no detail", `{"error":"x"}`, ""},
		{"null", `{"detail":null}`, ""},
		{"another shape", `{"detail":{"a":1}}`, ""},
		{"not an object", `[1]`, ""},
		{"not JSON", `<html>`, ""},
		{"empty", ``, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := answered(t, read(), jsonAnswer(422, tt.body))
			if got := asError(t, err).Detail; got != tt.want {
				t.Errorf("Detail = %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("HTML is not quoted", func(t *testing.T) {
		t.Parallel()
		a := jsonAnswer(422, `{"detail":"x"}`)
		a.Header.Set("Content-Type", "text/html")
		if _, err := answered(t, read(), a); asError(t, err).Detail != "" {
			t.Errorf("Do = %v", err)
		}
	})
}

func TestErrorsKeepTheBackendsWordsOutOfLogs(t *testing.T) {
	t.Parallel()
	_, err := answered(t, read(), jsonAnswer(422, `{"detail":"token=abc"}`))
	if strings.Contains(err.Error(), "abc") {
		t.Errorf("Error = %q", err)
	}
	if err := backend.Decode([]byte(`{"id":"abc"}`), new(struct {
		ID int `json:"id"`
	}), true); strings.Contains(err.Error(), "abc") || !asError(t, err).OutcomeUnknown {
		t.Errorf("Decode = %v", err)
	}
}

func TestDecodeIgnoresWhatIsNewAndRefusesWhatIsAmbiguous(t *testing.T) {
	t.Parallel()
	type v struct {
		ID string `json:"id"`
	}
	tests := []struct {
		name, body string
		ok         bool
	}{
		{"unknown members", `{"id":"a","new":{"x":[1]}}`, true},
		{"null", `{"id":null}`, true},
		{"another case is another member", `{"ID":"b"}`, true},
		{"duplicate members", `{"id":"a","id":"b"}`, false},
		{"another type", `{"id":1}`, false},
		{"invalid UTF-8", "{\"id\":\"\xff\"}", false},
		{"trailing data", `{"id":"a"}{}`, false},
		{"nothing", ``, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := backend.Decode([]byte(tt.body), new(v), false); (err == nil) != tt.ok {
				t.Errorf("Decode = %v", err)
			}
		})
	}
}

func TestCurrentUser(t *testing.T) {
	t.Parallel()
	atSignIn := backend.Person{Email: "Ada@Example.com", Domain: "example.com", ClientID: "client-1", TXN: "txn-1"}
	known := atSignIn
	known.Subject = "user-1"
	tests := []struct {
		name   string
		person backend.Person
		body   string
		want   backend.User
		ok     bool
	}{
		{"an active person", atSignIn, `{"id":"user-1","email":"ada@example.com","status":"ACTIVE"}`, backend.User{ID: "user-1", Email: "ada@example.com", Status: backend.StatusActive}, true},
		{"a suspended one, as they are", known, `{"id":"user-1","email":"x@example.com","status":"SUSPENDED"}`, backend.User{ID: "user-1", Email: "x@example.com", Status: "SUSPENDED"}, true},
		{"address and status may be missing", atSignIn, `{"id":"user-1","email":null,"status":null}`, backend.User{ID: "user-1"}, true},
		{"nobody", atSignIn, `{"id":""}`, backend.User{}, false},
		{"an id that is no path segment", atSignIn, `{"id":"../x"}`, backend.User{}, false},
		{"an id that reads as an address", atSignIn, `{"id":"email:x@y"}`, backend.User{}, false},
		{"somebody else's address at sign-in", atSignIn, `{"id":"user-2","email":"eve@example.com"}`, backend.User{}, false},
		{"somebody else's id later", known, `{"id":"user-2","email":"ada@example.com"}`, backend.User{}, false},
		{"a list", atSignIn, `[]`, backend.User{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, s := newClient(t, "https://api.example.com", roundTrip(func(r *http.Request) (*http.Response, error) {
				if got := r.Method + " " + r.URL.RequestURI(); got != "GET /users/current" {
					t.Errorf("sent %s", got)
				}
				return jsonAnswer(200, tt.body), nil
			}))
			got, err := c.CurrentUser(t.Context(), tt.person)
			if (err == nil) != tt.ok || got != tt.want {
				t.Fatalf("CurrentUser = %+v, %v", got, err)
			}
			if err != nil && asError(t, err).Kind != backend.BadAnswer {
				t.Errorf("error %v", err)
			}
			if signed := s.last.Load(); signed.Scope != "" || signed.Permissions != nil || signed.UserID != tt.person.Subject {
				t.Errorf("asserted %+v", signed)
			}
		})
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"detail":[{"loc":["body",1],"msg":"x"}]}`))
	f.Add([]byte(`{"detail":"x","errors":[{"field":"a","message":"b"}]}`))
	f.Add([]byte(`{"detail":[1]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := answered(t, read(), jsonAnswer(422, string(body)))
		e := asError(t, err)
		if e.Kind != backend.Validation || !utf8.ValidString(e.Detail) || utf8.RuneCountInString(e.Detail) > 1000 || strings.ContainsAny(e.Detail, "\r\n\x00") {
			t.Fatalf("Detail = %q", e.Detail)
		}
	})
}

func FuzzRequestStaysInItsPlace(f *testing.F) {
	f.Add("a", "b", "c")
	f.Add("..", "&x=y", "=&#")
	f.Fuzz(func(t *testing.T, segment, name, value string) {
		c, _ := newClient(t, "https://api.example.com", roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "api.example.com" || r.URL.EscapedPath() != "/appstore/apps/"+segment || strings.Count(r.URL.EscapedPath(), "/") != 3 {
				t.Fatalf("sent to %s", r.URL)
			}
			if q := r.URL.Query(); len(q) != 1 || len(q[name]) != 1 || q[name][0] != value {
				t.Fatalf("query %s for %q=%q", r.URL.RawQuery, name, value)
			}
			return jsonAnswer(200, `{}`), nil
		}))
		r := read()
		r.Path = []string{"appstore", "apps", segment}
		r.Query = []backend.Param{{Name: name, Value: value}}
		_, _ = c.Do(t.Context(), r)
	})
}

func BenchmarkDo(b *testing.B) {
	body := `{"items":[` + strings.Repeat(`{"id":"a"},`, 20) + `{}]}`
	c, _ := newClient(b, "https://api.example.com", roundTrip(func(*http.Request) (*http.Response, error) {
		return jsonAnswer(200, body), nil
	}))
	r := read()
	r.Query = []backend.Param{{Name: "page", Value: "1"}, {Name: "size", Value: "25"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Do(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
