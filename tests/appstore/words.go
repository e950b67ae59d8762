package appstore

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed catalog.txt
var catalogText string

// words is the parsed word list.
type words struct {
	stems       []string
	permissions []string
	categories  []category
}

type category struct {
	name  string
	nouns []string
}

// parseWords reads sections of words: a name in brackets, then the words.
func parseWords(text string) (words, error) {
	var w words
	var section string
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, found := strings.CutPrefix(line, "["); found {
			section = strings.TrimSuffix(name, "]")
			if section != "stems" && section != "permissions" {
				w.categories = append(w.categories, category{name: section})
			}
			continue
		}
		switch section {
		case "":
			return words{}, fmt.Errorf("word list line %d: words before a section", i+1)
		case "stems":
			w.stems = append(w.stems, strings.Fields(line)...)
		case "permissions":
			w.permissions = append(w.permissions, strings.Fields(line)...)
		default:
			last := &w.categories[len(w.categories)-1]
			last.nouns = append(last.nouns, strings.Fields(line)...)
		}
	}
	if len(w.stems) == 0 || len(w.permissions) == 0 || len(w.categories) == 0 {
		return words{}, errors.New("word list: stems, permissions and categories are all needed")
	}
	for _, c := range w.categories {
		if len(c.nouns) == 0 {
			return words{}, fmt.Errorf("word list: category %s has no words", c.name)
		}
	}
	return w, nil
}
