"""
An OpenID issuer over HTTP, which can be away: its keys (OpenID Connect Discovery 1.0), and the authorization code flow
with PKCE (OpenID Connect Core 1.0, RFC 7636) for one person, who is never asked for a password.
"""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

_AS_JWK: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
_MAKE = {
    "RS256": lambda: generate_rsa_key(65_537, 2_048),
    "ES256": lambda: generate_private_key(SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}


class Issuer:
    """Signs with any of its keys, and counts how often it is asked for them."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.asked = 0
        self.calls_itself: str | None = None
        self.has_its_keys_at: str | None = None
        self.id_claims: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        """By which its tokens differ from what they should say."""
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def add_key(self, kid: str, algorithm: str) -> None:
        self.keys[kid] = (algorithm, _MAKE[algorithm]())

    def token(self, kid: str, **claims: Any) -> str:
        algorithm, key = self.keys[kid]
        usual = {"iss": self.url, "aud": "muster", "sub": "ada@issuer", "exp": int(time.time()) + 60}
        return jwt.encode({**usual, **claims}, key, algorithm=algorithm, headers={"kid": kid})

    def answer(self, path: str) -> Any:
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.calls_itself or self.url,
                "jwks_uri": self.has_its_keys_at or f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
            }
        self.asked += 1
        return {"keys": [self._described(kid) for kid in self.keys]}

    def authorized(self, query: dict[str, str]) -> str:
        """Where the browser is led back to, with a code that is good once."""
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        code = token_urlsafe()
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.url}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def tokens(self, form: dict[str, str]) -> dict[str, str] | None:
        """What a code is exchanged for; None where it is not."""
        asked = self._codes.pop(form["code"], {})
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        said = (form["client_id"], form["redirect_uri"], challenge)
        if said != tuple(asked.get(name) for name in ("client_id", "redirect_uri", "code_challenge")):
            return None
        id_claims = {"aud": asked["client_id"], "nonce": asked["nonce"], **self.id_claims}
        kid = next(iter(self.keys))
        return {
            "id_token": self.token(kid, **id_claims),
            "access_token": self.token(kid, scope=asked["scope"], **self.claims),
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()

    def close(self) -> None:
        self._server.server_close()

    def _described(self, kid: str) -> dict[str, Any]:
        algorithm, key = self.keys[kid]
        described = json.loads(_AS_JWK[algorithm].to_jwk(key.public_key()))
        return {**described, "kid": kid, "use": "sig", "alg": algorithm}


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self._send(303, b"", Location=issuer.authorized(dict(parse_qsl(parts.query))))
            else:
                self._send(200, json.dumps(issuer.answer(self.path)).encode())

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            tokens = issuer.tokens(form)
            self._send(200 if tokens else 400, json.dumps(tokens or {"error": "invalid_grant"}).encode())

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    return Handler
