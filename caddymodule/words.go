package caddymodule

import (
	"fmt"
	"slices"
	"strings"
)

// suggest returns the remedy for an unknown word: a likely intended one if
// there is any, and the list of what is allowed.
func suggest(word string, allowed []string) string {
	const most = 40 // an operator's document may have hundreds
	list := "allowed are: " + strings.Join(allowed[:min(len(allowed), most)], ", ")
	if len(allowed) > most {
		list += fmt.Sprintf(" and %d more", len(allowed)-most)
	}
	if best := nearest(word, allowed); best != "" {
		return "did you mean " + best + "? " + list
	}
	return list
}

// nearest returns the allowed word that was likely meant, or "".
func nearest(word string, allowed []string) string {
	best, distance := "", 3
	for _, candidate := range allowed {
		if d := editDistance(strings.ToLower(word), strings.ToLower(candidate)); d < distance && d < len(candidate) {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance is the number of inserted, deleted and replaced bytes between a
// and b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// firstTwice returns the first word that stands in words more than once, or "".
func firstTwice(words []string) string {
	for i, w := range words {
		if slices.Contains(words[:i], w) {
			return w
		}
	}
	return ""
}
