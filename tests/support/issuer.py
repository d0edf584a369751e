"""
An OpenID issuer over HTTP, which can be away: its keys (OpenID Connect Discovery 1.0), and the authorization code flow
with PKCE (OpenID Connect Core 1.0, RFC 7636) for one person, who is never asked for a password.
"""

import json
import time
from base64 import urlsafe_b64encode
from functools import cache
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.own_apis import FakeApi

_AS_JWK: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
_MAKE = {
    "RS256": lambda: generate_rsa_key(65_537, 2_048),
    "ES256": lambda: generate_private_key(SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}


@cache
def _made(_: str, algorithm: str) -> Any:
    """Make a key, once for all issuers that give it this name: of RSA, that takes long."""
    return _MAKE[algorithm]()


class Issuer(FakeApi):
    """Signs with any of its keys, and counts how often it is asked for them."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, tuple[str, Any]] = {}
        self.asked = 0
        self.calls_itself: str | None = None
        self.has_its_keys_at: str | None = None
        self.id_claims: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        """By which its tokens differ from what they should say."""
        self._codes: dict[str, dict[str, str]] = {}

    def add_key(self, kid: str, algorithm: str) -> None:
        self.keys[kid] = (algorithm, _made(kid, algorithm))

    def token(self, kid: str, **claims: Any) -> str:
        algorithm, key = self.keys[kid]
        usual = {"iss": self.url, "aud": "muster", "sub": "ada@issuer", "exp": int(time.time()) + 60}
        return jwt.encode({**usual, **claims}, key, algorithm=algorithm, headers={"kid": kid})

    def answer(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.described())
            case "/authorize":
                return httpx.Response(303, headers={"Location": self._authorized(dict(request.url.params))})
            case "/token":
                tokens = self._tokens(dict(parse_qsl(request.content.decode())))
                return httpx.Response(200 if tokens else 400, json=tokens or {"error": "invalid_grant"})
        self.asked += 1
        return httpx.Response(200, json={"keys": [self.jwk(kid) for kid in self.keys]})

    def described(self) -> dict[str, str]:
        """What it says of itself."""
        return {
            "issuer": self.calls_itself or self.url,
            "jwks_uri": self.has_its_keys_at or f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
        }

    def _authorized(self, query: dict[str, str]) -> str:
        """Where the browser is led back to, with a code that is good once."""
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        code = token_urlsafe()
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.url}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def _tokens(self, form: dict[str, str]) -> dict[str, str] | None:
        """What a code is exchanged for; None where it is not."""
        if (asked := self._codes.pop(form["code"], None)) is None:
            return None
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

    def jwk(self, kid: str) -> dict[str, Any]:
        algorithm, key = self.keys[kid]
        described = json.loads(_AS_JWK[algorithm].to_jwk(key.public_key()))
        return {**described, "kid": kid, "use": "sig", "alg": algorithm}
