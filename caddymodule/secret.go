package caddymodule

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2"
)

// secretPlaceholder matches a value that is one placeholder as a whole. A
// secret that is put together from parts would have its other parts in the
// configuration, which the admin endpoint shows.
var secretPlaceholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// errLiteralSecret never quotes the value.
var errLiteralSecret = errors.New("a secret is given as {env.NAME} or {file./path}, since the text of the configuration can be read back; a literal one is accepted only while the issuer is on localhost")

// checkSecret refuses a secret that stands in the configuration itself.
func checkSecret(raw string, allowLiteral bool) error {
	if raw == "" {
		return errors.New("the secret is empty")
	}
	if !allowLiteral && !secretPlaceholder.MatchString(raw) {
		return errLiteralSecret
	}
	return nil
}

// resolveSecret reads a secret from where its placeholder points. It is called
// once per configuration. Errors name the placeholder, never a value.
func resolveSecret(raw string, allowLiteral bool) (string, error) {
	if err := checkSecret(raw, allowLiteral); err != nil {
		return "", err
	}
	if !secretPlaceholder.MatchString(raw) {
		return raw, nil
	}
	// A missing file resolves to an empty string with only a log line, hence
	// the check for an empty result is made here too.
	value, err := caddy.NewReplacer().ReplaceOrErr(raw, true, true)
	if err != nil || value == "" {
		return "", fmt.Errorf("%s is empty or not set", raw)
	}
	return value, nil
}

// resolve replaces placeholders in a value that is not secret.
func resolve(raw string) (string, error) {
	value, err := caddy.NewReplacer().ReplaceOrErr(raw, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w", raw, err)
	}
	return value, nil
}
