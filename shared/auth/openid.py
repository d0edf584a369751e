"""The keys of an OpenID issuer (OpenID Connect Discovery 1.0, RFC 7517): fetched, kept and refreshed."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.auth.tokens import InvalidToken, verified
from shared.errors import Unavailable
from shared.urls.http import is_trusted

DISCOVERY = "/.well-known/openid-configuration"
SMALLEST_RSA_KEY = 2_048
"""Bits."""

_ALGORITHMS: Mapping[tuple[str, str | None], str] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
"""The one algorithm for each kind of key, by its `kty` and `crv`."""

_NO_ANSWER = (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError)
"""What is raised where an issuer does not answer, or not as it should."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdLimits:
    """When an issuer is asked, in seconds, and how many of its keys are taken."""

    refresh: float = 300.0
    """How old the keys may get; a withdrawn key is good no longer than that."""
    unknown_key: float = 10.0
    """The pause between two searches for unknown keys: made-up key ids must not cause a request each."""
    answer: float = 5.0
    keys: int = 100


class UnknownKey(Exception):
    """The issuer has no such key."""


class NotByHttps(ValueError):
    """The issuer names an address where an answer could be replaced on its way."""


class IssuerKey(NamedTuple):
    """A key and the only algorithm it verifies."""

    key: Any
    algorithm: str


class OpenIdIssuer:
    """
    An issuer; while it is away, tokens of known keys stay good.

    :param url: as its tokens name it.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx.AsyncClient,
        limits: OpenIdLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._limits = limits or OpenIdLimits()
        self.keys: Mapping[str, IssuerKey] = {}
        self._metadata: Mapping[str, Any] = {}
        self._client = client
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._asked_at = self._answered_at = -inf

    async def key(self, key_id: str) -> IssuerKey:
        """
        Return a key; fetch the issuer's keys again if it is new.

        :raises UnknownKey: the issuer has no such key.
        :raises Unavailable: the issuer does not answer.
        """
        await self._ask_if(lambda: key_id not in self.keys)
        if key := self.keys.get(key_id):
            return key
        raise (
            UnknownKey
            if self._answered_at >= self._asked_at
            else Unavailable("The issuer does not answer, and the key of the token is not known yet")
        )

    async def claims(self, token: str, key_id: str, *, audience: str) -> dict[str, Any]:
        """
        Return the claims of a token of the issuer.

        :param key_id: of the key that it says it was signed with.
        :raises InvalidToken: it is not good.
        :raises Unavailable: the issuer does not answer.
        """
        try:
            key, algorithm = await self.key(key_id)
        except UnknownKey:
            raise InvalidToken("Its key is unknown, or withdrawn") from None
        return verified(token, key, algorithm=algorithm, issuer=self.url, audience=audience)

    @property
    def patience(self) -> float:
        """Seconds within which it is to answer."""
        return self._limits.answer

    async def endpoint(self, name: str) -> str:
        """
        Return one of the issuer's addresses by its name in the metadata.

        :raises Unavailable: the issuer does not answer, or has none that could be trusted.
        """
        await self.refresh()
        try:
            return _address({} if self._is_old() else self._metadata, name)
        except _NO_ANSWER as error:
            raise Unavailable("The issuer does not say where browsers sign in") from error

    async def refresh(self) -> None:
        """Fetch the keys again once they are too old; a failed attempt is repeated after a pause."""
        await self._ask_if(self._is_old)

    def _is_old(self) -> bool:
        return self._clock() - self._answered_at >= self._limits.refresh

    async def _ask_if(self, is_needed: Callable[[], bool]) -> None:
        """Ask, unless another has done so meanwhile, or a moment ago in vain."""
        if is_needed():
            async with self._one_at_a_time:
                if is_needed() and self._clock() - self._asked_at >= self._limits.unknown_key:
                    await self._ask()

    async def _ask(self) -> None:
        self._asked_at = self._clock()
        try:
            metadata = await self._discovered()
            keys = _usable((await self._json(_address(metadata, "jwks_uri")))["keys"][: self._limits.keys])
        except _NO_ANSWER as error:
            log.warning("the issuer cannot be asked for its keys", issuer=self.url, error=type(error).__name__)
            return
        self.keys, self._metadata, self._answered_at = keys, metadata, self._asked_at

    async def _discovered(self) -> Mapping[str, Any]:
        """:raises ValueError: the answer is of another issuer."""
        metadata: Mapping[str, Any] = await self._json(self.url.rstrip("/") + DISCOVERY)
        if metadata["issuer"] != self.url:
            raise ValueError("it is another issuer")
        return metadata

    async def _json(self, url: str) -> Any:
        answer = await self._client.get(url, timeout=self._limits.answer, headers={"Accept": "application/json"})
        return answer.raise_for_status().json()


def _address(metadata: Mapping[str, Any], name: str) -> str:
    """
    Return one of an issuer's addresses; by https, as OpenID Connect Discovery 1.0, section 3, has it.

    :raises httpx.InvalidURL: it is none.
    :raises ValueError: it has a port that there is not.
    :raises NotByHttps: what is there could be replaced on its way.
    """
    url = str(httpx.URL(metadata[name]))
    if not is_trusted(url) or urlsplit(url).port == 0:
        raise NotByHttps
    return url


def _usable(described: list[Any]) -> dict[str, IssuerKey]:
    """Return the signing keys that we can verify with; an issuer has keys for other uses too."""
    usable = {}
    for each in described:
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
