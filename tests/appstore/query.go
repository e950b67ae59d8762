package appstore

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The bounds of the paging parameters.
const (
	defaultPageSize = 50
	maxPageSize     = 100
)

// query reads query parameters and collects what is wrong with them, so that
// one answer names all of it.
type query struct {
	values url.Values
	errors []fieldError
}

func (q *query) fail(name, kind, msg string) {
	q.errors = append(q.errors, fieldError{Loc: []any{"query", name}, Msg: msg, Type: kind})
}

// text returns a parameter, "" when it is absent.
func (q *query) text(name string) string { return q.values.Get(name) }

// flag returns a boolean parameter in any of the spellings that the real
// backend takes.
func (q *query) flag(name string) (value, present bool) {
	if !q.values.Has(name) {
		return false, false
	}
	switch strings.ToLower(q.values.Get(name)) {
	case "true", "1", "on", "yes", "y", "t":
		return true, true
	case "false", "0", "off", "no", "n", "f":
		return false, true
	}
	q.fail(name, "bool_parsing", "Input should be a valid boolean, unable to interpret input")
	return false, false
}

// number returns an integer parameter between low and high.
func (q *query) number(name string, fallback, low, high int) int {
	if !q.values.Has(name) {
		return fallback
	}
	n, err := strconv.Atoi(q.values.Get(name))
	switch {
	case err != nil:
		q.fail(name, "int_parsing", "Input should be a valid integer, unable to parse string as an integer")
	case n < low:
		q.fail(name, "greater_than_equal", fmt.Sprintf("Input should be greater than or equal to %d", low))
	case n > high:
		q.fail(name, "less_than_equal", fmt.Sprintf("Input should be less than or equal to %d", high))
	default:
		return n
	}
	return fallback
}

// oneOf returns a parameter that may be repeated, each value of which must be
// in the list.
func (q *query) oneOf(name string, allowed []string) []string {
	values := q.values[name]
	for i, v := range values {
		if !slices.Contains(allowed, v) {
			q.errors = append(q.errors, fieldError{
				Loc: []any{"query", name, i}, Type: "enum",
				Msg: "Input should be '" + strings.Join(allowed, "', '") + "'",
			})
		}
	}
	return values
}

// paging is a valid page number and size.
type paging struct{ page, size int }

func (q *query) paging() paging {
	return paging{
		page: q.number("page", 1, 1, math.MaxInt32),
		size: q.number("size", defaultPageSize, 1, maxPageSize),
	}
}

// cut returns one page of items. A page after the last one is empty.
func cut[T any](items []T, p paging) page[T] {
	start := len(items)
	if p.page-1 <= len(items)/p.size { // without this the product might overflow
		start = min((p.page-1)*p.size, len(items))
	}
	end := min(start+p.size, len(items))
	return page[T]{
		Items: append([]T{}, items[start:end]...), // [] rather than null
		Total: len(items), Page: p.page, Size: p.size,
		Pages: (len(items) + p.size - 1) / p.size,
	}
}
