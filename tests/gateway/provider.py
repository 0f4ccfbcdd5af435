"""A small identity provider: discovery, authorization code with PKCE, tokens, keys.

It is as strict as the standard asks; `spoil` changes what it says for tests of those who distrust.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from .sinks import Sink

CLIENT, SECRET = "bubi gateway", "a secret: of two"
Claims = dict[str, Any]
FIRST_KEY = rsa.generate_private_key(65_537, 2_048)


class IdentityProvider(Sink):
    """Logs in whoever `claims` describe, without asking."""

    def __init__(self, redirect: str, *, clock: Callable[[], float] = time.time) -> None:
        provider = self
        self.redirect = redirect
        self.clock = clock
        self.claims: Claims = {"sub": "7", "preferred_username": "ann", "roles": ["ops"]}
        self.secret: str | None = SECRET
        self.spoil: Callable[[Claims], None] = lambda _claims: None
        self.denies = False
        self.down = False
        self.keys: dict[str, Any] = {"first": FIRST_KEY}
        self.codes: dict[str, dict[str, str]] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, "")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                provider.answer(self, body.decode())

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        self.issuer = f"http://127.0.0.1:{self.port}"

    def rotate(self) -> None:
        """Another key, of another kind."""
        self.keys = {"second": ec.generate_private_key(ec.SECP256R1())}

    def answer(self, request: BaseHTTPRequestHandler, body: str) -> None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if self.down:
            return self._send(request, 503, {})
        if parts.path == "/.well-known/openid-configuration":
            return self._send(request, 200, self._discovery())
        if parts.path == "/keys":
            return self._send(request, 200, {"keys": [self._public(name) for name in self.keys]})
        if parts.path == "/authorize":
            return self._authorize(request, query)
        if parts.path == "/token":
            return self._token(request, form)
        return self._send(request, 404, {})

    def _discovery(self) -> Claims:
        names = {"authorization": "authorize", "token": "token"}
        found = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in names.items()}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **found}

    def _public(self, name: str) -> Claims:
        key = self.keys[name]
        kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return {**json.loads(kind.to_jwk(key.public_key())), "kid": name, "use": "sig"}

    def _authorize(self, request: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        wanted = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": self.redirect,
            "code_challenge_method": "S256",
        }
        given = {name: query.get(name) for name in wanted}
        scopes = query.get("scope", "").split()
        if given != wanted or "openid" not in scopes or not query.get("code_challenge"):
            return self._send(request, 400, {"error": "invalid_request"})
        answer = {"state": query["state"], "session_state": "x"}
        if self.denies:
            answer["error"] = "access_denied"
        else:
            answer["code"] = secrets.token_urlsafe()
            self.codes[answer["code"]] = query
        request.send_response(302)
        request.send_header("Location", f"{self.redirect}?{urlencode(answer)}")
        request.end_headers()
        return None

    def _token(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        begun = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not self._is_client(request, form):
            return self._send(request, 401, {"error": "invalid_client"})
        good = begun is not None and begun["code_challenge"] == challenge
        if begun is None or not good or form.get("redirect_uri") != begun["redirect_uri"]:
            return self._send(request, 400, {"error": "invalid_grant"})
        token = self.token(begun["nonce"])
        return self._send(request, 200, {"token_type": "Bearer", "id_token": token})

    def _is_client(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> bool:
        if self.secret is None:
            return form.get("client_id") == CLIENT
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        name, _, secret = base64.b64decode(text).decode().partition(":")
        return (kind, unquote(name), unquote(secret)) == ("Basic", CLIENT, self.secret)

    def token(self, nonce: str) -> str:
        now = int(self.clock())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= self.claims
        self.spoil(claims)
        ((name, key),) = self.keys.items()
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(claims, key, algorithm, {"kid": name})

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, document: Claims) -> None:
        data = json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
