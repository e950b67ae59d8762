package document

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Pinned is a copy of a document that the product ships. Hosts of documents
// have been seen to answer a server in a data centre with a challenge for
// browsers; a sign-in must not depend on that.
type Pinned struct {
	// Source says where the content was learnt.
	Source string
	// Read is when. A copy fetched later counts before it.
	Read time.Time
	// Body is the document: the members that count, not necessarily all.
	Body []byte
}

//go:embed pinned/*.json
var pinnedFiles embed.FS

// BuiltIn returns the pinned copies of the product.
func BuiltIn() ([]Pinned, error) {
	files, err := fs.Glob(pinnedFiles, "pinned/*.json")
	if err != nil {
		return nil, err
	}
	pinned := make([]Pinned, 0, len(files))
	for _, name := range files {
		raw, err := pinnedFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p, err := decodePinned(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		pinned = append(pinned, p)
	}
	return pinned, nil
}

// decodePinned reads a data file strictly.
func decodePinned(raw []byte) (Pinned, error) {
	var file struct {
		Source   string         `json:"source"`
		Date     string         `json:"date"`
		Document jsontext.Value `json:"document"`
	}
	if err := json.Unmarshal(raw, &file, json.RejectUnknownMembers(true)); err != nil {
		return Pinned{}, err
	}
	read, err := time.Parse(time.DateOnly, file.Date)
	if err != nil || file.Source == "" {
		return Pinned{}, errors.New("want a source and the date at which it was read")
	}
	return Pinned{Source: file.Source, Read: read, Body: file.Document}, nil
}

// copyOf reads a pinned copy; its own client_id says which URL it is a copy of.
func (p Pinned) copyOf() (copied, error) {
	var named struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(p.Body, &named); err != nil {
		return copied{}, fmt.Errorf("pinned copy of %s: %w", p.Source, err)
	}
	d, err := Parse(named.ClientID, p.Body)
	if err != nil {
		return copied{}, fmt.Errorf("pinned copy of %s: %w", p.Source, err)
	}
	return copied{doc: d, fetched: p.Read}, nil
}
