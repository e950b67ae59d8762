// Package assistant is a minimal AI client for tests that must see every byte:
// it registers, sends a person to approve, redeems, refreshes, revokes and
// calls tools, and hands back each answer as it came.
//
// Owns: the requests of a client.
// Does not own: the person (package robot) and the clients that nobody here
// wrote (tests/e2e/clients).
package assistant

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/teamlumos/mcp-edge/tests/robot"
)

// Methods of client authentication (RFC 7591 §2); "" is that of public clients.
const (
	SecretInForm   = "client_secret_post"
	SecretInHeader = "client_secret_basic"
)

// Assistant is one registered client.
type Assistant struct {
	Issuer   string
	Resource string
	HTTP     *http.Client
	ClientID string
	Redirect string
	// Secret and AuthMethod are those of a confidential client.
	Secret, AuthMethod string
	// OmitResource leaves the resource out of every request, as clients do that do
	// not read the resource's metadata.
	OmitResource bool
}

// Registration is an answer to a registration (RFC 7591 §3.2.1).
type Registration struct {
	ClientID     string   `json:"client_id"`
	IssuedAt     int64    `json:"client_id_issued_at"`
	Secret       string   `json:"client_secret"`
	SecretEnds   *int64   `json:"client_secret_expires_at"`
	Name         string   `json:"client_name"`
	RedirectURIs []string `json:"redirect_uris"`
	GrantTypes   []string `json:"grant_types"`
	Responses    []string `json:"response_types"`
	AuthMethod   string   `json:"token_endpoint_auth_method"`
}

// Tokens is a token answer.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
}

// Answer is any answer of the gateway.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Error returns the OAuth error code of the answer, or "".
func (a Answer) Error() string {
	var e struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(a.Body, &e)
	return e.Error
}

// Tokens reads the answer as a token answer.
func (a Answer) Tokens() Tokens {
	var t Tokens
	_ = json.Unmarshal(a.Body, &t)
	return t
}

// Register registers a client as MCP Inspector does, with a loopback redirect.
func Register(ctx context.Context, client *http.Client, issuer, resource string) (*Assistant, error) {
	const redirect = "http://localhost:6274/oauth/callback"
	body := fmt.Sprintf(`{"client_name":"MCP Inspector","redirect_uris":[%q],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"]}`, redirect)
	a, _, err := RegisterAs(ctx, client, issuer, resource, body)
	return a, err
}

// RegisterAs registers a client by a body of the caller's own. The assistant
// sends people back to the first redirect URI that the server took.
func RegisterAs(ctx context.Context, client *http.Client, issuer, resource, body string) (*Assistant, Registration, error) {
	a := &Assistant{Issuer: issuer, Resource: resource, HTTP: client}
	answer, err := a.send(ctx, http.MethodPost, issuer+"/register", "application/json", body, "")
	if err != nil {
		return nil, Registration{}, err
	}
	var r Registration
	if err := json.Unmarshal(answer.Body, &r); err != nil || answer.Status != http.StatusCreated || r.ClientID == "" || len(r.RedirectURIs) == 0 {
		return nil, r, fmt.Errorf("registration answered %d: %s", answer.Status, answer.Body)
	}
	a.ClientID, a.Redirect, a.Secret = r.ClientID, r.RedirectURIs[0], r.Secret
	if r.AuthMethod != "none" {
		a.AuthMethod = r.AuthMethod
	}
	return a, r, nil
}

// Approval is a code with what its redemption needs.
type Approval struct {
	Code     string
	Verifier string
	Callback *url.URL
}

// AuthorizationURL returns the address that a person opens, and the verifier.
func (a *Assistant) AuthorizationURL(scope string, extra url.Values) (address, verifier string) {
	verifier = base64.RawURLEncoding.EncodeToString(randomBytes(32))
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {a.ClientID}, "redirect_uri": {a.Redirect}, "resource": {a.Resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "state": {"s" + verifier[:8]},
	}
	if scope != "" {
		q.Set("scope", scope)
	}
	if a.OmitResource {
		q.Del("resource")
	}
	for name, values := range extra {
		q[name] = values
	}
	return a.Issuer + "/authorize?" + q.Encode(), verifier
}

// Approve sends a person to approve and returns the code.
func (a *Assistant) Approve(ctx context.Context, person *robot.Robot, scope string) (Approval, error) {
	address, verifier := a.AuthorizationURL(scope, nil)
	callback, err := person.Authorize(ctx, address)
	if err != nil {
		return Approval{}, err
	}
	approval := Approval{Code: callback.Query().Get("code"), Verifier: verifier, Callback: callback}
	if approval.Code == "" {
		return approval, fmt.Errorf("no code: %s", callback.Query().Get("error"))
	}
	return approval, nil
}

// Redeem exchanges a code.
func (a *Assistant) Redeem(ctx context.Context, p Approval) (Answer, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {p.Code}, "code_verifier": {p.Verifier}, "redirect_uri": {a.Redirect}, "client_id": {a.ClientID}, "resource": {a.Resource},
	}
	if a.OmitResource {
		form.Del("resource")
	}
	return a.Token(ctx, form)
}

// Refresh presents a refresh token.
func (a *Assistant) Refresh(ctx context.Context, refreshToken string) (Answer, error) {
	return a.Token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "client_id": {a.ClientID}})
}

// Token posts a form to the token endpoint.
func (a *Assistant) Token(ctx context.Context, form url.Values) (Answer, error) {
	return a.post(ctx, "/token", form)
}

// Revoke posts a token to the revocation endpoint.
func (a *Assistant) Revoke(ctx context.Context, token string) (Answer, error) {
	return a.post(ctx, "/revoke", url.Values{"token": {token}, "client_id": {a.ClientID}})
}

// post sends a form as the client, authenticated as it registered (RFC 6749
// §2.3.1: in the header both parts are form-encoded first).
func (a *Assistant) post(ctx context.Context, path string, form url.Values) (Answer, error) {
	authorization := ""
	switch a.AuthMethod {
	case SecretInForm:
		form.Set("client_secret", a.Secret)
	case SecretInHeader:
		form.Del("client_id")
		authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(a.ClientID)+":"+url.QueryEscape(a.Secret)))
	}
	return a.send(ctx, http.MethodPost, a.Issuer+path, "application/x-www-form-urlencoded", form.Encode(), authorization)
}

// Connect approves and redeems in one go.
func (a *Assistant) Connect(ctx context.Context, person *robot.Robot, scope string) (Tokens, error) {
	approval, err := a.Approve(ctx, person, scope)
	if err != nil {
		return Tokens{}, err
	}
	answer, err := a.Redeem(ctx, approval)
	if err != nil {
		return Tokens{}, err
	}
	if answer.Status != http.StatusOK {
		return Tokens{}, fmt.Errorf("token endpoint answered %d: %s", answer.Status, answer.Body)
	}
	return answer.Tokens(), nil
}

// CallResult is the part of a tools/call answer that tests look at.
type CallResult struct {
	Answer
	Result struct {
		IsError           bool            `json:"isError"`
		StructuredContent json.RawMessage `json:"structuredContent"`
		Content           []struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"result"`
	RPCError *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// Call calls a tool in the form of protocol version 2025-11-25.
func (a *Assistant) Call(ctx context.Context, accessToken, tool, arguments string) (CallResult, error) {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
	answer, err := a.MCP(ctx, accessToken, body)
	r := CallResult{Answer: answer}
	_ = json.Unmarshal(answer.Body, &r)
	return r, err
}

// MCP posts one message to the MCP endpoint.
func (a *Assistant) MCP(ctx context.Context, accessToken, body string) (Answer, error) {
	authorization := ""
	if accessToken != "" {
		authorization = "Bearer " + accessToken
	}
	return a.send(ctx, http.MethodPost, a.Resource, "application/json", body, authorization)
}

func (a *Assistant) send(ctx context.Context, method, address, contentType, body, authorization string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json, text/event-stream")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return Do(a.HTTP, req)
}

// Do sends req and reads the whole answer. A connection that breaks before
// anything of the request was sent is opened once more, as clients do.
func Do(client *http.Client, req *http.Request) (Answer, error) {
	var sent atomic.Bool
	traced := req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}))
	resp, err := client.Do(traced)
	if err != nil && !sent.Load() && req.GetBody != nil {
		if traced.Body, err = req.GetBody(); err == nil {
			resp, err = client.Do(traced)
		}
	}
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	_, err = io.Copy(&body, io.LimitReader(resp.Body, 8<<20))
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body.Bytes()}, err
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (Go 1.24)
	return b
}
