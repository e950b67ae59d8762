package caddymodule

import (
	"net"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// siteOrigin returns the origin of the site block that a directive stands in,
// such as "https://api.example.com", if the block has one address with a host.
//
// The Caddyfile adapter knows the addresses and gives directives no way to ask
// for them, so this looks into its helper. Should a later Caddy keep them
// elsewhere, nothing is found and the resource has to be written out; a test
// notices.
func siteOrigin(h httpcaddyfile.Helper) (string, bool) {
	block := reflect.ValueOf(h).FieldByName("parentBlock")
	if !block.IsValid() || block.Kind() != reflect.Struct {
		return "", false
	}
	keys := block.FieldByName("Keys")
	if !keys.IsValid() || keys.Kind() != reflect.Slice || keys.Len() != 1 {
		return "", false
	}
	text := reflect.Indirect(keys.Index(0)).FieldByName("Text")
	if !text.IsValid() || text.Kind() != reflect.String {
		return "", false
	}
	address, err := httpcaddyfile.ParseAddress(text.String())
	if err != nil {
		return "", false
	}
	return originOf(address.Normalize())
}

func originOf(a httpcaddyfile.Address) (string, bool) {
	if a.Host == "" || strings.Contains(a.Host, "*") || a.Path != "" {
		return "", false
	}
	scheme, host := "https", a.Host
	if a.Scheme == "http" || a.Port == "80" {
		scheme = "http"
	}
	usual := a.Port == "" || scheme == "https" && a.Port == "443" || scheme == "http" && a.Port == "80"
	if !usual {
		host = net.JoinHostPort(host, a.Port)
	}
	return scheme + "://" + host, true
}
