package openapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/teamlumos/mcp-edge/internal/reason"
	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
)

func TestArgumentsReachTheirPlace(t *testing.T) {
	t.Parallel()
	d := billing(t)
	for _, tt := range []struct{ name, operation, arguments, want string }{
		{"nothing given", "GET /invoices", `{}`, "GET /v1/invoices"},
		{"a list joined by commas", "GET /invoices", `{"status":["paid","void"]}`, "GET /v1/invoices?status=paid,void"},
		{"an empty list is not said", "GET /invoices", `{"status":[]}`, "GET /v1/invoices"},
		{"text is escaped", "GET /invoices", `{"customer":"a&page=2#x é"}`, "GET /v1/invoices?customer=a%26page%3D2%23x+%C3%A9"},
		{"a whole number written as a fraction", "GET /invoices", `{"page":1e1}`, "GET /v1/invoices?page=10"},
		{"one segment of the path", "GET /invoices/{invoice_id}", `{"invoice_id":"inv_1"}`, "GET /v1/invoices/inv_1"},
		{"telemetry is not sent", "GET /invoices/{invoice_id}", `{"invoice_id":"inv_1","telemetry":{"intent":"x"}}`, "GET /v1/invoices/inv_1"},
		{"a delete", "DELETE /invoices/{invoice_id}", `{"invoice_id":"inv_1"}`, "DELETE /v1/invoices/inv_1"},
		{
			"path, header and body", "POST /invoices/{invoice_id}/refunds",
			`{"invoice_id":"inv_1","amount":12.50,"reason":"mistake","comment":null,"Idempotency-Key":"k-1"}`,
			`POST /v1/invoices/inv_1/refunds Idempotency-Key=k-1 {"amount":12.50,"comment":null,"reason":"mistake"}`,
		},
		{"a body that is not given is not sent", "PUT /invoices/{invoice_id}/note", `{"invoice_id":"inv_1"}`, "PUT /v1/invoices/inv_1/note"},
		{"a body", "PUT /invoices/{invoice_id}/note", `{"invoice_id":"inv_1","text":"<b>"}`, `PUT /v1/invoices/inv_1/note {"text":"<b>"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, w := setOf(t, d, config(tt.operation))
			if r := call(t.Context(), set, tt.arguments); r.IsError {
				t.Fatalf("%+v", r)
			}
			if got := w.last(); got != tt.want {
				t.Errorf("sent %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestOtherFormsReachTheirPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, route, operation, arguments, want string }{
		{
			"a list is repeated by default", "GET /a", `parameters: [{name: "s[]", in: query, schema: {type: array, items: {type: integer}}}]`,
			`{"s":[1,2.0]}`, "GET /a?s%5B%5D=1&s%5B%5D=2",
		},
		{"null is not said", "GET /a", `parameters: [{name: s, in: query, schema: {anyOf: [{type: string}, {type: "null"}]}}]`, `{"s":null}`, "GET /a"},
		{"a parameter without a type is text", "GET /a", `parameters: [{name: s, in: query}]`, `{"s":"true"}`, "GET /a?s=true"},
		{"booleans and numbers", "GET /a", `parameters: [{name: b, in: query, schema: {type: boolean}}, {name: n, in: query, schema: {type: number}}]`, `{"b":true,"n":1.50}`, "GET /a?b=true&n=1.5"},
		{"a large number keeps its digits", "GET /a", `parameters: [{name: n, in: query, schema: {type: integer}}]`, `{"n":12345678901234567890}`, "GET /a?n=12345678901234567890"},
		{"a number in a path", "GET /a/{n}/b", `parameters: [{name: n, in: path, required: true, schema: {type: integer}}]`, `{"n":-7}`, "GET /a/-7/b"},
		{"a slash at the end", "GET /a/", `summary: x`, `{}`, "GET /a/"},
		{"arguments of the path in any order", "GET /a/{x}/{y}", `parameters: [{name: y, in: path, required: true}, {name: x, in: path, required: true}]`, `{"y":"2","x":"1"}`, "GET /a/1/2"},
		{
			"a body that is a list", "POST /a", `requestBody: {required: true, content: {application/json: {schema: {type: array, items: {type: string}}}}}`,
			`{"body":["a"]}`, `POST /a ["a"]`,
		},
		{
			"members that collide with a parameter", "PUT /a/{id}", "parameters: [{name: id, in: path, required: true}]\n" +
				"requestBody: {required: true, content: {application/json: {schema: {type: object, properties: {id: {type: string}}}}}}",
			`{"id":"1","body":{"id":"2"}}`, `PUT /a/1 {"id":"2"}`,
		},
		{
			"a body that must be there", "POST /a", `requestBody: {required: true, content: {application/json: {schema: {type: object, properties: {a: {type: string}}}}}}`,
			`{}`, `POST /a {}`,
		},
		{
			"numbers of a body keep their digits", "POST /a", `requestBody: {content: {application/json: {schema: {type: object, properties: {a: {type: number}, b: {type: object}}}}}}`,
			`{"a":0.10,"b":{"__proto__":12345678901234567890}}`, `POST /a {"a":0.10,"b":{"__proto__":12345678901234567890}}`,
		},
		{"an optional cookie or identity header is left out", "GET /a", `parameters: [{name: c, in: cookie}, {name: Authorization, in: header}, {name: X-Tenant, in: header}]`, `{"X-Tenant":"t"}`, "GET /a X-Tenant=t"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, w := setOf(t, one(t, tt.route, tt.operation), config(tt.route))
			if r := call(t.Context(), set, tt.arguments); r.IsError {
				t.Fatalf("%+v", r)
			}
			if got := w.last(); got != tt.want {
				t.Errorf("sent %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestArgumentsThatDoNotMatchAreNeverSent(t *testing.T) {
	t.Parallel()
	d := billing(t)
	for _, tt := range []struct{ name, operation, arguments, says string }{
		{"an unknown name", "GET /invoices", `{"statuss":["paid"]}`, `there is no argument "statuss"; allowed here: customer, page, status and telemetry`},
		{"a value of no choice", "GET /invoices", `{"status":["lost"]}`, `status[0] must be one of "draft", "open", "paid" or "void"; it is another text`},
		{"text for a list", "GET /invoices", `{"status":"paid"}`, "status must be a list of at most 100 entries; it is text"},
		{"a bound that is not admitted itself", "GET /invoices", `{"page":0}`, "page must be a whole number more than 0; it is 0"},
		{"a missing id", "GET /invoices/{invoice_id}", `{}`, "invoice_id is missing; it must be an id of at most 128 characters"},
		{"a name twice", "GET /invoices/{invoice_id}", `{"invoice_id":"a","invoice_id":"b"}`, "not one JSON object with unique names"},
		{"a list for text", "GET /invoices/{invoice_id}", `{"invoice_id":["a"]}`, "it is a list"},
		{"a number that is none", "POST /invoices/{invoice_id}/refunds", `{"invoice_id":"a","amount":1e309,"reason":"mistake"}`, "larger than numbers can be"},
		{"a member of the backend's", "POST /invoices/{invoice_id}/refunds", `{"invoice_id":"a","amount":1,"reason":"mistake","id":"x"}`, `there is no argument "id"`},
		{"a prototype", "POST /invoices/{invoice_id}/refunds", `{"invoice_id":"a","amount":1,"reason":"mistake","__proto__":{}}`, `there is no argument "__proto__"`},
		{"a header with a line break", "POST /invoices/{invoice_id}/refunds", `{"invoice_id":"a","amount":1,"reason":"mistake","Idempotency-Key":"a\r\nX-User: b"}`, "Idempotency-Key must be text of at most 64 characters"},
		{"an empty header", "POST /invoices/{invoice_id}/refunds", `{"invoice_id":"a","amount":1,"reason":"mistake","Idempotency-Key":""}`, "it is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, w := setOf(t, d, config(tt.operation))
			r := call(t.Context(), set, tt.arguments)
			if r.Code != "invalid_arguments" || !strings.Contains(r.Text, tt.says) {
				t.Errorf("%+v", r)
			}
			if write := set.List()[0].Need.Write; write != (r.WriteOutcome == "failed_validation") {
				t.Errorf("outcome %q", r.WriteOutcome)
			}
			if got := w.last(); got != "" {
				t.Errorf("sent %s", got)
			}
		})
	}
}

// injections are values that mean something to a server, a proxy or a log.
var injections = []string{
	"../admin", "..", ".", "%2e%2e%2fadmin", "%252e", `..\admin`, "a?x=1", "a&x=1", "a#x", "a;x=1", "a/b", "a\r\nX: 1", "a\x00", "a\x7f", "a\u2215b",
	"\uff0e\uff0e", "a\u202e", "https://evil.example/", "@evil.example", "{invoice_id}", "", " ", "a,b", "~a", strings.Repeat("a", 129),
}

func TestNoArgumentLeavesItsPlace(t *testing.T) {
	t.Parallel()
	d := one(t, "POST /a/{p}/b", `
parameters:
  - {name: p, in: path, required: true}
  - {name: q, in: query}
  - {name: l, in: query, explode: false, schema: {type: array}}
  - {name: X-Tenant, in: header}
requestBody: {content: {application/json: {schema: {type: object, properties: {m: {type: string}}}}}}`)
	set, w := setOf(t, d, config("POST /a/{p}/b"))
	for _, value := range injections {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if r := call(t.Context(), set, fmt.Sprintf(`{"p":%s}`, raw)); r.Code != "invalid_arguments" || w.last() != "" {
			t.Errorf("the path took %q: %+v", value, r)
		}
		if r := call(t.Context(), set, fmt.Sprintf(`{"p":"1","q":%s}`, raw)); r.IsError {
			t.Errorf("the query refused %q: %s", value, r.Text)
		}
		want := "POST /a/1/b?q=" + url.QueryEscape(value)
		if got := w.last(); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		if r := call(t.Context(), set, fmt.Sprintf(`{"p":"1","m":%s}`, raw)); r.IsError || w.last() != `POST /a/1/b {"m":`+string(raw)+`}` {
			t.Errorf("the body changed %q: %s", value, r.Text)
		}
		if r := call(t.Context(), set, fmt.Sprintf(`{"p":"1","l":["x",%s]}`, raw)); strings.ContainsAny(value, ",\r\x00\x7f") != r.IsError {
			t.Errorf("a list took %q: %+v", value, r)
		}
		w.last()
		r := call(t.Context(), set, fmt.Sprintf(`{"p":"1","X-Tenant":%s}`, raw))
		if line := w.last(); strings.ContainsAny(line, "\r\n\x00") || !r.IsError && !strings.HasSuffix(line, " X-Tenant="+value) {
			t.Errorf("the header took %q: %q", value, line)
		}
	}
}

func TestARequestAssertsWhatTheToolNeedsAndNothingElse(t *testing.T) {
	t.Parallel()
	set, w := setOf(t, billing(t), config("POST /invoices/{invoice_id}/refunds"))
	w.status, w.body = http.StatusCreated, `{"id":"ref_1"}`
	r := call(t.Context(), set, `{"invoice_id":"inv_1","amount":1,"reason":"mistake","telemetry":{"intent":"make \u001b[31mgood"}}`)
	if r.IsError || r.Intent != "make [31mgood" {
		t.Fatalf("%+v", r)
	}
	want := []assertion.Request{{
		UserID: "u-1", Email: "ada@acme.com", DomainID: "acme.com", ClientID: "c-1", Scope: "billing:x", Permissions: []string{"billing.x"},
		Transaction: "txn-1", Method: "POST", Path: "/v1/invoices/inv_1/refunds", Body: []byte(`{"amount":1,"reason":"mistake"}`),
	}}
	if diff := cmp.Diff(want, w.signed); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestOutcomesOfWrites(t *testing.T) {
	t.Parallel()
	const refund = "POST /invoices/{invoice_id}/refunds"
	const remove = "DELETE /invoices/{invoice_id}"
	for _, tt := range []struct {
		name, operation     string
		status              int
		media, body         string
		code, outcome, says string
		target              string
		reason              reason.Reason
	}{
		{"created", refund, 201, "", `{"id":"ref_1"}`, "", "created", "it was created", "ref_1", reason.None},
		{"changed", refund, 200, "", `{"id":7}`, "", "updated", "Done.", "7", reason.None},
		{"accepted", refund, 202, "", `{}`, "", "updated", "may finish it later", "inv_1", reason.None},
		{"without content", remove, 204, "", ``, "", "updated", "Done.", "inv_1", reason.None},
		{"no content where some is documented", refund, 204, "", ``, "", "updated", "Done.", "inv_1", reason.None},
		{"bad input", refund, 422, "", `{"detail":"amount too high"}`, "rejected", "failed_validation", `"amount too high"`, "inv_1", reason.BackendRefused},
		{"not possible now", refund, 409, "", `{}`, "conflict", "failed_validation", "Nothing was changed", "inv_1", reason.BackendRefused},
		{"not there", remove, 404, "", `{}`, "not_found", "failed_validation", "Check the ids", "inv_1", reason.BackendRefused},
		{"not allowed", refund, 403, "", `{}`, "not_allowed", "denied", "does not allow", "inv_1", reason.BackendRefused},
		{"too many", refund, 429, "", `{}`, "backend_rate_limited", "", "Nothing was changed", "inv_1", reason.BackendRateLimited},
		{"our credential is refused", refund, 401, "", `{}`, "backend_refused_gateway", "", "contact their administrator", "inv_1", reason.BackendRefusedGateway},
		{"a fault of the backend", refund, 500, "", `{}`, "outcome_unknown", "unknown", "Do not call again before you have looked", "inv_1", reason.BackendUnavailable},
		{"a page in place of JSON", refund, 201, "text/html", `<p>`, "outcome_unknown", "unknown", "may or may not", "inv_1", reason.BackendBadAnswer},
		{"an answer of another kind", refund, 201, "", `[]`, "outcome_unknown", "unknown", "may or may not", "inv_1", reason.BackendBadAnswer},
		{"an answer that is cut off", refund, 201, "", `{"id":"re`, "outcome_unknown", "unknown", "may or may not", "inv_1", reason.BackendBadAnswer},
		{"a redirect is not followed", refund, 307, "", ``, "outcome_unknown", "unknown", "may or may not", "inv_1", reason.BackendBadAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, w := setOf(t, billing(t), config(tt.operation))
			w.status, w.body, w.media = tt.status, tt.body, tt.media
			arguments := `{"invoice_id":"inv_1"}`
			if tt.operation == refund {
				arguments = `{"invoice_id":"inv_1","amount":1,"reason":"mistake"}`
			}
			r := call(t.Context(), set, arguments)
			if r.Code != tt.code || r.WriteOutcome != tt.outcome || !strings.Contains(r.Text, tt.says) || r.TargetResourceID != tt.target ||
				r.Reason != tt.reason || r.IsError != (tt.code != "") {
				t.Errorf("%+v", r)
			}
			if n := len(w.lines); n != 1 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

func TestAReadHasNoOutcome(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{500: "backend_unavailable", 404: "not_found", 403: "not_allowed", 200: ""} {
		set, w := setOf(t, billing(t), config("GET /invoices/{invoice_id}"))
		w.status = status
		if r := call(t.Context(), set, `{"invoice_id":"inv_1"}`); r.Code != code || r.WriteOutcome != "" || r.TargetResourceID != "inv_1" {
			t.Errorf("%d: %+v", status, r)
		}
	}
}

func TestAQueryThatIsTooLongIsAnArgumentThatIsTooLong(t *testing.T) {
	t.Parallel()
	set, w := setOf(t, one(t, "GET /a", `parameters: [{name: l, in: query, schema: {type: array}}]`), config("GET /a"))
	long := strings.Repeat(`"`+strings.Repeat("a", 2000)+`",`, 5)
	r := call(t.Context(), set, `{"l":[`+long[:len(long)-1]+`]}`)
	if r.Code != "invalid_arguments" || !strings.Contains(r.Text, "longer than an address may be") || w.last() != "" {
		t.Errorf("%+v", r)
	}
}
