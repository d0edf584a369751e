"""Who is let in: the port, with tokens, and with nobody being asked."""

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

import structlog

from shared.auth.openid import OpenIdIssuer, UnknownKey
from shared.auth.principal import ANYBODY, Principal
from shared.auth.signing_keys import KeyDirectory, KeysUnusable
from shared.auth.tokens import (
    ALGORITHM,
    OUR_ISSUER,
    InvalidToken,
    principal_of,
    sign_in_audience,
    unverified,
    verified,
)

LOOK_SECONDS = 1.0
"""Between two looks at the keys and the revoked tokens: what changes there takes effect within 5 s, however busy."""

MOST_KNOWN = 10_000
"""Tokens that are remembered; of more, those verified first are verified again."""

log = structlog.get_logger()


class Authentication(Protocol):
    """
    Tells whom a token speaks for.

    A caller without one is `anybody`; None if no caller may be.
    """

    anybody: Principal | None

    def known(self, token: str) -> Principal | None:
        """Whom a token speaks for that was verified before and is still good: no more than a look-up."""

    async def authenticate(self, token: str) -> Principal:
        """
        Verify a token.

        :raises InvalidToken: it is not good.
        :raises Unavailable: that cannot be found out now.
        """

    async def sign_in(self, token: str) -> Principal:
        """
        Verify the token of a sign-in link.

        :raises InvalidToken: it is not good, or is another one's.
        """

    def stands(self, principal: Principal) -> bool:
        """Whether what was verified before holds still: for a stream that is served for long."""

    async def run(self) -> None:
        """Follow the keys and the revoked tokens, until cancelled."""


class TokenAuthentication:
    """Tokens that our keys have signed, or those of an OpenID issuer."""

    anybody = None

    def __init__(
        self,
        directory: KeyDirectory,
        *,
        audience: str,
        issuer: OpenIdIssuer | None = None,
        clock: Callable[[], float] = time.time,
        most: int = MOST_KNOWN,
    ) -> None:
        """:raises KeysUnusable: the directory cannot be read."""
        self._directory = directory
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._most = most
        self._known: dict[bytes, Principal] = {}
        self._seen: object = None
        self._ring = directory.read()

    def known(self, token: str) -> Principal | None:
        principal = self._known.get(_digest(token))
        return principal if principal and principal.expires_at > self._clock() else None

    async def authenticate(self, token: str) -> Principal:
        principal = await self._verified(token)
        while len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[_digest(token)] = principal
        return principal

    async def sign_in(self, token: str) -> Principal:
        told = unverified(token)
        if told.issuer != OUR_ISSUER:
            raise InvalidToken("It is of another issuer")
        return self._ours(token, told.key_id, audience=sign_in_audience(self._audience))

    def stands(self, principal: Principal) -> bool:
        is_known = principal.key_id in self._ring.keys or bool(self._issuer and principal.key_id in self._issuer.keys)
        return is_known and principal.expires_at > self._clock() and principal.token_id not in self._ring.revoked

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_around())
            if self._issuer:
                tasks.create_task(_kept(self._issuer))

    def look(self) -> None:
        """Take over what has changed; all tokens are verified again then."""
        seen = (self._directory.signature(), self._issuer and self._issuer.keys)
        if seen == self._seen:
            return
        self._ring = self._directory.read()
        self._known.clear()
        self._seen = seen

    async def _look_around(self) -> None:
        while True:
            try:
                self.look()
            except (KeysUnusable, OSError) as error:
                log.warning("the keys cannot be read; those known stay good", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _verified(self, token: str) -> Principal:
        told = unverified(token)
        if told.issuer == OUR_ISSUER:
            return self._ours(token, told.key_id, audience=self._audience)
        if self._issuer is None or told.issuer != self._issuer.url:
            raise InvalidToken("It is of another issuer")
        return await self._of(self._issuer, token, told.key_id)

    def _ours(self, token: str, key_id: str, *, audience: str) -> Principal:
        if (key := self._ring.keys.get(key_id)) is None:
            raise InvalidToken("Its key is unknown, or retired")
        claims = verified(token, key, algorithm=ALGORITHM, issuer=OUR_ISSUER, audience=audience)
        return self._not_revoked(principal_of(claims, key_id=key_id, is_ours=True))

    async def _of(self, issuer: OpenIdIssuer, token: str, key_id: str) -> Principal:
        try:
            key, algorithm = await issuer.key(key_id)
        except UnknownKey:
            raise InvalidToken("Its key is unknown, or withdrawn") from None
        claims = verified(token, key, algorithm=algorithm, issuer=issuer.url, audience=self._audience)
        return self._not_revoked(principal_of(claims, key_id=key_id, is_ours=False))

    def _not_revoked(self, principal: Principal) -> Principal:
        if principal.token_id in self._ring.revoked:
            raise InvalidToken("It was revoked")
        return principal


class NoAuthentication:
    """Everybody who reaches the port may do everything."""

    anybody = ANYBODY

    def known(self, token: str) -> Principal | None:  # noqa: ARG002 - whatever it is
        return ANYBODY

    async def authenticate(self, token: str) -> Principal:  # noqa: ARG002 - likewise
        return ANYBODY

    async def sign_in(self, token: str) -> Principal:  # noqa: ARG002 - likewise
        return ANYBODY

    def stands(self, principal: Principal) -> bool:  # noqa: ARG002 - likewise
        return True

    async def run(self) -> None:
        """Nothing changes."""


async def _kept(issuer: OpenIdIssuer) -> None:
    while True:
        await issuer.keep()
        await asyncio.sleep(LOOK_SECONDS)


def _digest(token: str) -> bytes:
    """Tokens themselves are not kept: they would stand in every dump of the memory."""
    return sha256(token.encode()).digest()


__all__ = ["Authentication", "NoAuthentication", "TokenAuthentication"]
