// Command go is an API in Go that takes requests of an MCP Edge gateway only, and
// answers with the person for whom each is. See docs/verify-requests.md.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/teamlumos/mcp-edge/mcpbridge/assertion"
)

// verified calls next with the claims of a request that the gateway signed.
func verified(v *assertion.Verifier, next func(http.ResponseWriter, *http.Request, *assertion.Claims)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		claims, err := v.Verify(r, body)
		if err != nil {
			log.Printf("refused: %v", err) // never the token
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		next(w, r, claims)
	})
}

func main() {
	issuer, audience := os.Getenv("ISSUER"), os.Getenv("AUDIENCE")
	replay, err := assertion.NewReplay(assertion.ReplayWindow)
	if err != nil {
		log.Fatal(err)
	}
	v, err := assertion.NewVerifier(assertion.VerifierConfig{
		Issuer: issuer, Audience: audience, Replay: replay,
		Keys: assertion.NewKeySet(assertion.FromURL(issuer+"/jwks.json", nil), nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT")) //nolint:noctx // an example listens until it ends
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: verified(v, func(w http.ResponseWriter, _ *http.Request, c *assertion.Claims) {
		_ = json.NewEncoder(w).Encode(map[string]string{"email": c.Email, "sub": c.Subject})
	})}
	log.Fatal(server.Serve(listener))
}
