package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/teamlumos/mcp-edge/internal/httpx"
)

//go:embed templates/*.html
var templates embed.FS

// Config is what pages need.
type Config struct {
	// Product is the name at the top of every page; default "MCP Edge".
	Product string
	// Log gets the cause of error pages with a 5xx status; default slog.Default().
	Log *slog.Logger
}

// Pages renders pages. It is safe for concurrent use.
type Pages struct {
	product string
	log     *slog.Logger
	byName  map[string]*template.Template
}

// pageNames are the templates that are laid out as pages.
var pageNames = []string{"signin", "provider", "consent", "leaving", "fault", "signout", "signedout"}

// New parses the templates.
func New(cfg Config) (*Pages, error) {
	p := &Pages{product: Clean(cfg.Product, maxName), log: cfg.Log, byName: map[string]*template.Template{}}
	if p.product == "" {
		p.product = "MCP Edge"
	}
	if p.log == nil {
		p.log = slog.Default()
	}
	for _, name := range pageNames {
		t, err := template.ParseFS(templates, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		p.byName[name] = t
	}
	return p, nil
}

// frame is what the layout around a page's own view shows.
type frame struct {
	Product   string
	Style     string
	Title     string
	RequestID string
	View      any
}

// render answers with a page. It is built whole before the first byte leaves,
// so that no half page follows a success status.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name, title string, view any) {
	var body bytes.Buffer
	err := p.byName[name].ExecuteTemplate(&body, "layout", frame{
		Product: p.product, Style: stylePath, Title: title,
		RequestID: Clean(httpx.RequestID(r.Context()), maxName), View: view,
	})
	policy := contentPolicy + formPolicy
	if name == "consent" {
		policy = contentPolicy
	}
	setHeaders(w.Header(), policy)
	if err != nil { // a fault of a template, found by its golden test
		p.log.ErrorContext(r.Context(), "page not rendered", "page", name, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}
