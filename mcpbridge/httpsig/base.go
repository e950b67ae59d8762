package httpsig

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/dunglas/httpsfv"
)

// ErrComponent says that a component cannot be taken from the request: it is
// absent, or not one that this package knows.
var ErrComponent = errors.New("httpsig: component not available")

// base returns the signature base (RFC 9421 §2.5) of r over components, with
// params, the serialized value of @signature-params, as its last line.
func base(r *http.Request, components []string, params string) (string, error) {
	var b strings.Builder
	for _, name := range components {
		value, err := component(r, name)
		if err != nil {
			return "", err
		}
		b.WriteString(strconv.Quote(name)) // a name is a token of ASCII: no character is escaped
		b.WriteString(": ")
		b.WriteString(value)
		b.WriteByte('\n')
	}
	b.WriteString(`"@signature-params": `)
	b.WriteString(params)
	return b.String(), nil
}

// component returns the value of one component (RFC 9421 §2.1, §2.2).
func component(r *http.Request, name string) (string, error) {
	switch name {
	case "@method":
		return r.Method, nil
	case "@path":
		if path := r.URL.EscapedPath(); path != "" {
			return path, nil
		}
		return "/", nil
	case "@query":
		return "?" + r.URL.RawQuery, nil // also without a query (§2.2.7)
	case "@authority":
		return authority(r), nil
	}
	if strings.HasPrefix(name, "@") || name == "" || strings.ToLower(name) != name {
		return "", fmt.Errorf("%w: %q", ErrComponent, name)
	}
	values := r.Header.Values(name)
	if len(values) == 0 {
		return "", fmt.Errorf("%w: no field %q", ErrComponent, name)
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		// A line end would let a value pass for another line of the base.
		if strings.ContainsAny(v, "\r\n") {
			return "", fmt.Errorf("%w: field %q has a line end", ErrComponent, name)
		}
		trimmed[i] = strings.Trim(v, " \t")
	}
	return strings.Join(trimmed, ", "), nil
}

// authority is the host as §2.2.3 wants it: lower case, no default port.
func authority(r *http.Request) string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	host = strings.ToLower(host)
	switch r.URL.Scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// signatureParams returns the serialized value of @signature-params (§2.3).
func signatureParams(components []string, p Params) (string, httpsfv.InnerList, error) {
	list := httpsfv.InnerList{Params: httpsfv.NewParams()}
	for _, name := range components {
		list.Items = append(list.Items, httpsfv.NewItem(name))
	}
	if !p.Created.IsZero() {
		list.Params.Add("created", p.Created.Unix())
	}
	if !p.Expires.IsZero() {
		list.Params.Add("expires", p.Expires.Unix())
	}
	for _, s := range []struct{ name, value string }{{"nonce", p.Nonce}, {"keyid", p.KeyID}, {"alg", p.Alg}, {"tag", p.Tag}} {
		if s.value != "" {
			list.Params.Add(s.name, s.value)
		}
	}
	text, err := httpsfv.Marshal(list)
	if err != nil {
		return "", list, fmt.Errorf("httpsig: encoding the parameters: %w", err)
	}
	return text, list, nil
}
