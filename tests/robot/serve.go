package robot

import (
	"encoding/json"
	"net"
	"net/http"
	"time"
)

// Serve lets clients in other languages use a robot: GET /?url=… walks to the
// client's redirect URI and answers {"callback": "…"}. With &follow=1 the
// callback is fetched as a browser would. It returns the address and a stop
// function.
func Serve(newRobot func(person string) *Robot) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		callback, err := newRobot(q.Get("person")).Authorize(r.Context(), q.Get("url"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if q.Get("follow") != "" {
			resp, err := http.Get(callback.String())
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			_ = resp.Body.Close()
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"callback": callback.String()})
	})}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}
