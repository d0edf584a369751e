"""Browsers that have signed in: the port, and its adapter in memory."""

import time
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Protocol

import msgspec

from shared.auth.principal import Principal

SESSION_SECONDS = 12 * 3_600


class Sessions(Protocol):
    """A session is begun by a sign-in link, which works once; what it is called is the browser's secret."""

    async def begin(self, link: Principal) -> str | None:
        """Return a new session's name; None if the link was used before."""

    async def find(self, name: str) -> Principal | None:
        """Return whose session it is, None if there is none, or it is over."""


class StoredSession(msgspec.Struct, frozen=True):
    """A session as it is kept."""

    subject: str
    scopes: frozenset[str]
    token_id: str | None
    key_id: str | None
    expires_at: float

    @classmethod
    def of(cls, link: Principal, *, now: float) -> "StoredSession":
        return cls(link.subject, link.scopes, link.token_id, link.key_id, now + SESSION_SECONDS)

    def principal(self) -> Principal:
        return Principal(self.subject, self.scopes, self.token_id, self.key_id, self.expires_at)


def new_name() -> str:
    """Nobody guesses it: 256 bits."""
    return token_urlsafe(32)


class MemorySessions:
    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._used: set[str | None] = set()
        self._sessions: dict[str, StoredSession] = {}

    async def begin(self, link: Principal) -> str | None:
        if link.token_id in self._used:
            return None
        self._used.add(link.token_id)
        name = new_name()
        self._sessions[name] = StoredSession.of(link, now=self._clock())
        return name

    async def find(self, name: str) -> Principal | None:
        session = self._sessions.get(name)
        return session.principal() if session and session.expires_at > self._clock() else None
