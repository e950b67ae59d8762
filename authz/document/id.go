package document

import (
	"errors"
	"net/url"
	"strings"

	"github.com/teamlumos/mcp-edge/authz/oauth"
)

// Prefix begins every client id that is a URL. No other client id begins with
// it, so that it alone tells the two apart.
const Prefix = "https://"

// CheckID says why id cannot be the URL of a metadata document (Client ID
// Metadata Document -01 §3): it is https, has a host and a path, and no
// fragment, user information or dot segments. A query, which the draft only
// advises against, is refused, because one document would have any number of
// ids. The bytes count: nothing is normalised.
func CheckID(id string) error {
	if len(id) > oauth.MaxRedirectURI {
		return errors.New("the URL is too long")
	}
	for i := range len(id) {
		if c := id[i]; c <= 0x20 || c >= 0x7f || strings.IndexByte("\\\"<>`{}|^", c) >= 0 {
			return errors.New("the URL holds characters that a URL does not have")
		}
	}
	if !strings.HasPrefix(id, Prefix) {
		return errors.New("the URL is not https")
	}
	if strings.Contains(id, "#") {
		return errors.New("the URL has a fragment")
	}
	if strings.Contains(id, "?") {
		return errors.New("the URL has a query")
	}
	u, err := url.Parse(id)
	if err != nil || u.Hostname() == "" {
		return errors.New("the URL has no host")
	}
	if u.User != nil {
		return errors.New("the URL has user information")
	}
	if len(u.Path) < 2 {
		return errors.New("the URL has no path")
	}
	// The path is decoded here: %2e is a dot to whoever resolves it.
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return errors.New("the URL has dot segments")
		}
	}
	return nil
}
