"""Authentication of callers: the port, by tokens, and without any."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import structlog

from shared.auth.openid import OpenIdIssuer, UnknownKey
from shared.auth.principal import ANONYMOUS, Principal
from shared.auth.signing_keys import KeyDirectory, KeysUnusable, TrustedKeys
from shared.auth.tokens import (
    ALGORITHM,
    OUR_ISSUER,
    InvalidToken,
    principal_of,
    sign_in_audience,
    unverified,
    verified,
)
from shared.errors import Unavailable
from shared.runtime.retry import repeat
from shared.runtime.tasks import Tasks

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationLimits:
    """How often keys and revoked tokens are read, in seconds, and how many verified tokens are remembered."""

    poll: float = 1.0
    """A change takes effect within 5 s, however busy the process is."""
    unseen: float = 5.0
    """How long callers are let in without a look at the keys: after that it is not known who is still good."""
    remembered: int = 10_000
    """Of more, those verified first are verified again."""


class Authentication(Protocol):
    """
    Identify callers by their tokens.

    A caller without a token is `anonymous`; None where each needs one.
    """

    anonymous: Principal | None

    def known(self, token: str) -> Principal | None:
        """Return the principal of a token that was verified before and is still good: no more than a look-up."""

    async def authenticate(self, token: str) -> Principal:
        """
        Verify a token and return its principal.

        :raises InvalidToken: it is not good.
        :raises Unavailable: that cannot be found out now.
        """

    async def sign_in(self, token: str) -> Principal:
        """
        Verify the token of a sign-in link and return its principal.

        :raises InvalidToken: it is not good, or is no sign-in link of ours.
        """

    def stands(self, principal: Principal) -> bool:
        """
        Tell whether a principal is still good: for requests that last for long.

        :raises Unavailable: that cannot be found out now.
        """

    async def admits(self, principal: Principal) -> bool:
        """
        Tell whether the principal of a session, which any process may have begun, is still good.

        :raises Unavailable: that cannot be found out now.
        """

    async def run(self) -> None:
        """Follow the keys and the revoked tokens, until cancelled."""


class TokenAuthentication:
    """Accept tokens signed by our keys or by an OpenID issuer."""

    anonymous = None

    def __init__(
        self,
        directory: KeyDirectory,
        *,
        audience: str,
        issuer: OpenIdIssuer | None = None,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
        limits: AuthenticationLimits | None = None,
    ) -> None:
        """
        Read the keys for the first time.

        :param elapsed: gives the seconds since any time, whatever becomes of the clock.
        :raises KeysUnusable: the directory cannot be read.
        """
        self._directory = directory
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._elapsed = elapsed
        self._limits = limits or AuthenticationLimits()
        self._known: dict[bytes, Principal] = {}
        self._version: object = None
        self._trusted = directory.read()
        self._seen_at = elapsed()
        self._is_looking = False

    def known(self, token: str) -> Principal | None:
        principal = self._known.get(_digest(token)) if self._is_seen() else None
        return principal if principal and principal.expires_at > self._clock() else None

    async def authenticate(self, token: str) -> Principal:
        self._require_seen()
        principal = await self._verified(token)
        while len(self._known) >= self._limits.remembered:
            del self._known[next(iter(self._known))]
        self._known[_digest(token)] = principal
        return principal

    async def sign_in(self, token: str) -> Principal:
        self._require_seen()
        claimed = unverified(token)
        if claimed.issuer != OUR_ISSUER:
            raise InvalidToken("It is of another issuer")
        return self._ours(token, claimed.key_id, audience=sign_in_audience(self._audience))

    def stands(self, principal: Principal) -> bool:
        self._require_seen()
        is_known = principal.key_id in self._trusted.keys or bool(
            self._issuer and principal.key_id in self._issuer.keys
        )
        return is_known and principal.expires_at > self._clock() and principal.token_id not in self._trusted.revoked

    async def admits(self, principal: Principal) -> bool:
        """Ask the issuer for the key too, if it is not known yet."""
        is_known = principal.is_ours or principal.key_id in self._trusted.keys
        if self._issuer and principal.key_id and not is_known:
            with suppress(UnknownKey):
                await self._issuer.key(principal.key_id)
        return self.stands(principal)

    async def run(self) -> None:
        async with Tasks() as tasks:
            if self._issuer:
                tasks.start(repeat(self._issuer.refresh, every=self._limits.poll), name="keys of the issuer")
            await repeat(self._refresh, every=self._limits.poll)

    def refresh(self) -> None:
        """
        Read keys and revoked tokens again if they have changed; all tokens are verified again then.

        :raises KeysUnusable: they cannot be read.
        """
        looked_at = self._elapsed()
        self._use(*self._read(self._version), looked_at)

    def _read(self, known: object) -> tuple[object, TrustedKeys | None]:
        """Return the version of what there is, and what that is unless it is known."""
        version = (self._directory.version(), self._issuer and self._issuer.keys)
        return version, None if version == known else self._directory.read()

    def _use(self, version: object, trusted: TrustedKeys | None, looked_at: float) -> None:
        if looked_at < self._seen_at:  # by a look that took longer than one that began after it
            return
        if trusted is not None:
            self._trusted, self._version = trusted, version
            self._known.clear()
        self._seen_at = looked_at

    async def _refresh(self) -> None:
        """Refresh without holding up the event loop: a directory on another machine may not answer."""
        self._is_looking, looked_at = True, self._elapsed()
        try:
            self._use(*await asyncio.to_thread(self._read, self._version), looked_at)
        except KeysUnusable as error:
            log.warning("the keys cannot be read; callers are refused", after=self._limits.unseen, error=str(error))
        finally:
            self._is_looking = False

    def _is_seen(self) -> bool:
        return self._elapsed() - self._seen_at < self._limits.unseen

    def _require_seen(self) -> None:
        """
        Look at the keys by itself where that was not done for long: the process may only have been busy.

        :raises Unavailable: they cannot be looked at.
        """
        if self._is_seen():
            return
        if self._is_looking:
            raise Unavailable("The keys do not come")
        try:
            self.refresh()
        except KeysUnusable as error:
            raise Unavailable("The keys cannot be read: the log says why") from error

    async def _verified(self, token: str) -> Principal:
        claimed = unverified(token)
        if claimed.issuer == OUR_ISSUER:
            return self._ours(token, claimed.key_id, audience=self._audience)
        if self._issuer is None or claimed.issuer != self._issuer.url:
            raise InvalidToken("It is of another issuer")
        claims = await self._issuer.claims(token, claimed.key_id, audience=self._audience)
        return self._not_revoked(principal_of(claims, key_id=claimed.key_id, is_ours=False))

    def _ours(self, token: str, key_id: str, *, audience: str) -> Principal:
        if (key := self._trusted.keys.get(key_id)) is None:
            raise InvalidToken("Its key is unknown, or retired")
        claims = verified(token, key, algorithm=ALGORITHM, issuer=OUR_ISSUER, audience=audience)
        return self._not_revoked(principal_of(claims, key_id=key_id, is_ours=True))

    def _not_revoked(self, principal: Principal) -> Principal:
        if principal.token_id in self._trusted.revoked:
            raise InvalidToken("It was revoked")
        return principal


class NoAuthentication:
    """Let every caller that reaches the port do everything."""

    anonymous = ANONYMOUS

    def known(self, token: str) -> Principal | None:  # noqa: ARG002 - every token is good
        return ANONYMOUS

    async def authenticate(self, token: str) -> Principal:  # noqa: ARG002 - likewise
        return ANONYMOUS

    async def sign_in(self, token: str) -> Principal:  # noqa: ARG002 - likewise
        return ANONYMOUS

    def stands(self, principal: Principal) -> bool:  # noqa: ARG002 - likewise
        return True

    async def admits(self, principal: Principal) -> bool:  # noqa: ARG002 - likewise
        return True

    async def run(self) -> None:
        """Nothing changes."""


def _digest(token: str) -> bytes:
    """Hash a token: tokens themselves would stand in every dump of the memory."""
    return sha256(token.encode()).digest()
