"""An API in Python that takes requests of an MCP Edge gateway only, and answers
with the person for whom each is. Needs PyJWT 2.6 or newer with cryptography
(Debian: python3-jwt, python3-cryptography). See docs/verify-requests.md.
"""

import base64
import hashlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
KEYS = jwt.PyJWKClient(ISSUER + "/jwks.json", lifespan=300)


def verify(method, path, authorization, body):
    """Returns the claims of a request that the gateway signed; path has no query."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("no assertion")
    key = KEYS.get_signing_key_from_jwt(token).key
    claims = jwt.decode(token, key, algorithms=["EdDSA", "ES256"], issuer=ISSUER, audience=AUDIENCE, leeway=30,
                        options={"require": ["iss", "aud", "sub", "exp", "iat", "jti"]})
    digest = "sha-256=:%s:" % base64.b64encode(hashlib.sha256(body).digest()).decode() if body else None
    if (claims.get("htm"), claims.get("htu"), claims.get("content_digest")) != (method, AUDIENCE + path, digest):
        raise jwt.InvalidTokenError("not the request that was signed")
    return claims


class Handler(BaseHTTPRequestHandler):
    def handle_one(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 1 << 20))
        try:
            claims = verify(self.command, self.path.split("?")[0], self.headers.get("Authorization"), body)
        except Exception as why:  # whatever it is, the request is not verified
            print("refused:", type(why).__name__, why, file=sys.stderr)
            return self.answer(401, {"error": "invalid_token"})
        self.answer(200, {"email": claims.get("email"), "sub": claims["sub"]})

    do_GET = do_POST = do_PUT = do_DELETE = handle_one

    def answer(self, status, value):
        raw = json.dumps(value).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer error="invalid_token"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT") or 0)), Handler)
    print("listening on 127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()
