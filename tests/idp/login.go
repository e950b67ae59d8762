package idp

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/op"
)

//go:embed login.html
var loginHTML string

//go:embed style.css
var styleCSS []byte

var loginTemplate = template.Must(template.New("login").Parse(loginHTML))

// loginView is what the page shows. Without a request id there is no form.
type loginView struct {
	RequestID string
	Email     string
	Error     string
	People    []User
}

// showLogin is GET /login: the page of one authorization.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	request, err := s.storage.pending(id)
	if err != nil {
		s.renderLogin(w, http.StatusBadRequest, loginView{Error: "This sign-in is unknown, finished or too old. Go back and start again."})
		return
	}
	email := request.loginHint
	if chosen := r.URL.Query().Get("email"); chosen != "" {
		email = chosen
	}
	s.renderLogin(w, http.StatusOK, loginView{RequestID: id, Email: email})
}

// postLogin is POST /login: it checks the password and sends the person back to
// the product with a code.
func (s *Server) postLogin(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.renderLogin(w, http.StatusBadRequest, loginView{Error: "The form could not be read."})
		return
	}
	id, email := r.PostForm.Get("request"), r.PostForm.Get("email")
	user, err := s.people.authenticate(email, r.PostForm.Get("password"))
	if err != nil {
		s.log.InfoContext(r.Context(), "sign-in refused", "email", email)
		s.renderLogin(w, http.StatusUnauthorized, loginView{
			RequestID: id, Email: email,
			Error: "The e-mail and the password do not match. The demo people and their passwords are listed below.",
		})
		return
	}
	request, err := s.storage.signIn(id, user.Subject)
	if err != nil {
		s.renderLogin(w, http.StatusBadRequest, loginView{Error: "This sign-in is unknown, finished or too old. Go back and start again."})
		return
	}
	callback, err := op.BuildAuthResponseCallbackURL(r.Context(), request, s.provider)
	if err != nil {
		s.log.ErrorContext(r.Context(), "authorization response not built", "error", err)
		s.renderLogin(w, http.StatusInternalServerError, loginView{Error: "The sign-in could not be finished."})
		return
	}
	s.log.InfoContext(r.Context(), "signed in", "email", user.Email)
	http.Redirect(w, r, s.withIss(callback), http.StatusSeeOther)
}

// renderLogin writes the page. It is never cached, since it names one sign-in.
func (s *Server) renderLogin(w http.ResponseWriter, status int, view loginView) {
	view.People = s.people.list()
	var page bytes.Buffer
	if err := loginTemplate.Execute(&page, view); err != nil {
		http.Error(w, "the login page could not be written", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	// No form-action: browsers apply it to the redirect back to the product too.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

// showStyle is GET /style.css.
func showStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleCSS)
}
