package client

// ParseMetadata lets tests feed the parser of registrations.
func ParseMetadata(body []byte) (redirects []string, name string, ok bool) {
	m, e := parseMetadata(body)
	return m.RedirectURIs, m.ClientName, e == nil
}

// DecodeProfiles lets tests feed the reader of profile files.
func DecodeProfiles(raw []byte) error {
	_, err := decodeProfiles(raw)
	return err
}

// CleanText lets tests see which texts are shown.
func CleanText(s string) (string, bool) { return cleanText(s) }
