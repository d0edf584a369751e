"""Sessions of signed-in browsers: the port, and a session as it is stored."""

from secrets import token_urlsafe
from typing import Protocol

import msgspec

from shared.auth.principal import Principal

SESSION_SECONDS = 12 * 3_600


class Sessions(Protocol):
    """A session begins with a sign-in link, which works once; its name is the browser's secret."""

    async def begin(self, link: Principal) -> str | None:
        """Return a new session's name; None if the link was used before."""

    async def find(self, name: str) -> Principal | None:
        """Return the principal of a session, None if there is none, or it is over."""


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
    """Draw a name that cannot be guessed: 256 bits."""
    return token_urlsafe(32)
