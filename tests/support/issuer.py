"""An OpenID issuer over HTTP, as far as its keys go (OpenID Connect Discovery 1.0), which can be away."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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
            return {"issuer": self.calls_itself or self.url, "jwks_uri": self.has_its_keys_at or f"{self.url}/keys"}
        self.asked += 1
        return {"keys": [self._described(kid) for kid in self.keys]}

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
            body = json.dumps(issuer.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    return Handler
