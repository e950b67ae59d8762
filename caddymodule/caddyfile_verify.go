package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"
)

var verifyLines = []string{"issuer", "jwks", "audience", "header", "require_signature", "replay_window", "max_body", "keep_authorization"}

// parseVerifyDirective makes the handler that a backend team puts before its API.
// Syntax:
//
//	mcp_verify [<matcher>] {
//	    issuer   <url>
//	    jwks     <url>|<file>
//	    audience <url>
//	    header   <name> {email}|{sub}|{domain_id}|{client_id}|{scope}|{permissions}|{txn}
//	    require_signature rfc9421
//	    replay_window <duration>|off
//	    max_body <size>
//	    keep_authorization
//	}
//
// header may be repeated. jwks may be left out: the keys are then read from
// /jwks.json of the issuer.
func parseVerifyDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	start := h.Token()
	p := newParser(h.Dispenser)
	if err := p.flag(); err != nil {
		return nil, err
	}
	v := new(Verify)
	for h.NextBlock(0) {
		if err := v.parseLine(p); err != nil {
			return nil, err
		}
	}
	if err := v.complete(); err != nil {
		return nil, at(start, err)
	}
	return v, nil
}

func (v *Verify) parseLine(p *parser) (err error) {
	name := p.Val()
	if !slices.Contains(verifyLines, name) {
		return p.unknown("mcp_verify", verifyLines, nil)
	}
	if name != "header" {
		if err := p.once(); err != nil {
			return err
		}
	}
	switch name {
	case "issuer":
		v.Issuer, err = p.checked(checkIssuer)
	case "jwks":
		v.JWKS, err = p.checked(checkJWKS)
	case "audience":
		v.Audience, err = p.checked(checkAudience)
	case "header":
		err = v.parseHeader(p)
	case "require_signature":
		v.RequireSignature, err = p.checked(checkSignature)
	case "replay_window":
		err = v.parseReplayWindow(p)
	case "max_body":
		err = v.parseMaxBody(p)
	case "keep_authorization":
		v.KeepAuthorization, err = true, p.flag()
	}
	return err
}

// parseHeader reads one header and the claim that it gets. The claim is written
// like a placeholder, but it is none of Caddy's: nothing else can stand there.
func (v *Verify) parseHeader(p *parser) error {
	line := p.Token()
	args := p.RemainingArgs()
	if len(args) != 2 {
		return at(line, fmt.Errorf("header takes a name and a claim like {email}, it has %d values", len(args)))
	}
	claim, opened := strings.CutPrefix(args[1], "{")
	claim, closed := strings.CutSuffix(claim, "}")
	if !opened || !closed {
		return at(line, fmt.Errorf("header %s gets %q, want a claim in braces like {email}", args[0], args[1]))
	}
	h := IdentityHeader{Name: args[0], Claim: claim}
	if err := h.check(); err != nil {
		return at(line, err)
	}
	v.Headers = append(v.Headers, h)
	if err := v.checkHeaders(); err != nil {
		return at(line, err)
	}
	return nil
}

func (v *Verify) parseReplayWindow(p *parser) error {
	line := p.Token()
	if args := p.CountRemainingArgs(); args == 1 {
		p.NextArg()
		if p.Val() == "off" {
			v.AllowReplay = true
			return nil
		}
		p.Prev()
	}
	window, err := p.duration()
	if err != nil {
		return err
	}
	v.ReplayWindow = window
	if err := v.checkReplayWindow(); err != nil {
		return at(line, err)
	}
	return nil
}

func (v *Verify) parseMaxBody(p *parser) error {
	line := p.Token()
	text, err := p.word()
	if err != nil {
		return err
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size == 0 || size > maxVerifiedBody {
		return at(line, fmt.Errorf("max_body is %q, want a size like 1MiB, at most %s", text, humanize.IBytes(maxVerifiedBody)))
	}
	v.MaxBody = int64(size)
	return nil
}
