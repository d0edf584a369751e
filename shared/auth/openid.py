"""The keys of an OpenID issuer (OpenID Connect Discovery 1.0, RFC 7517): found, kept, and looked for again."""

import asyncio
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.errors import Unavailable
from shared.urls import is_trusted

DISCOVERY = "/.well-known/openid-configuration"
REFRESH_SECONDS = 300.0
"""How old the keys may get; a key that the issuer has withdrawn is good no longer than that."""

UNKNOWN_KEY_SECONDS = 10.0
"""Between two looks for an unknown key: made-up ids must not send us to the issuer each time."""

ANSWER_SECONDS = 5.0
MOST_KEYS = 100
SMALLEST_RSA_KEY = 2_048
"""Bits."""

_ALGORITHMS: Mapping[tuple[str, str | None], str] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
"""The one algorithm for each kind of key, by its `kty` and `crv`."""

log = structlog.get_logger()


class UnknownKey(Exception):
    """The issuer has no such key."""


class KeysNotByHttps(ValueError):
    """The issuer has its keys fetched where an attacker on the way could put in their own."""


class IssuerKey(NamedTuple):
    """A key and the only algorithm it verifies."""

    key: Any
    algorithm: str


class OpenIdIssuer:
    """
    An issuer; its being away does no harm to those whose keys are known.

    :param url: as its tokens name it.
    """

    def __init__(self, url: str, *, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url
        self.keys: Mapping[str, IssuerKey] = {}
        self._client = client
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._asked_at = self._answered_at = -inf

    async def key(self, key_id: str) -> IssuerKey:
        """
        Return a key, looking for it if it is new.

        :raises UnknownKey: there is none.
        :raises Unavailable: that could not be found out.
        """
        if key_id not in self.keys:
            async with self._one_at_a_time:
                if key_id not in self.keys and self._clock() - self._asked_at >= UNKNOWN_KEY_SECONDS:
                    await self._ask()
        if found := self.keys.get(key_id):
            return found
        raise (UnknownKey if self._answered_at >= self._asked_at else Unavailable("the issuer does not answer"))

    async def keep(self) -> None:
        """Ask again once the keys are too old; a vain attempt is repeated after as long as for an unknown key."""
        now = self._clock()
        if now - self._answered_at >= REFRESH_SECONDS and now - self._asked_at >= UNKNOWN_KEY_SECONDS:
            async with self._one_at_a_time:
                await self._ask()

    async def _ask(self) -> None:
        self._asked_at = self._clock()
        try:
            keys = _usable((await self._json(await self._where()))["keys"])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("the issuer cannot be asked for its keys", issuer=self.url, error=type(error).__name__)
            return
        self.keys, self._answered_at = keys, self._asked_at

    async def _where(self) -> str:
        """
        Find out where the keys are; by https, as OpenID Connect Discovery 1.0, section 3, has it.

        :raises ValueError: the server that answers names another issuer, and vouches for no token here.
        :raises KeysNotByHttps: nobody can vouch for what is there.
        """
        about = await self._json(self.url.rstrip("/") + DISCOVERY)
        if about["issuer"] != self.url:
            raise ValueError("it is another issuer")
        if not is_trusted(where := str(about["jwks_uri"])):
            raise KeysNotByHttps
        return where

    async def _json(self, url: str) -> Any:
        answer = await self._client.get(url, timeout=ANSWER_SECONDS, headers={"Accept": "application/json"})
        return answer.raise_for_status().json()


def _usable(described: list[Any]) -> dict[str, IssuerKey]:
    """The keys that sign and that we can verify with; others of an issuer's keys are for something else."""
    usable = {}
    for each in described[:MOST_KEYS]:
        algorithm = _ALGORITHMS.get((each.get("kty"), each.get("crv")))
        is_meant = each.get("use", "sig") == "sig" and each.get("alg", algorithm) == algorithm
        if algorithm and is_meant and isinstance(each.get("kid"), str) and (key := _key(each, algorithm)):
            usable[each["kid"]] = IssuerKey(key, algorithm)
    return usable


def _key(described: dict[str, Any], algorithm: str) -> Any | None:
    try:
        key = jwt.PyJWK(described, algorithm=algorithm).key
    except jwt.PyJWTError:
        return None
    is_weak = isinstance(key, RSAPublicKey) and key.key_size < SMALLEST_RSA_KEY
    is_private = hasattr(key, "private_bytes")
    return None if is_weak or is_private else key
