"""Sessions of signed-in browsers: the port, and a session as it is stored."""

import re
from secrets import token_urlsafe
from typing import Protocol

import msgspec

from shared.auth.principal import Principal

SESSION_SECONDS = 12 * 3_600
SEEN_SECONDS = 5.0
"""How long a session that was found is good without another look: one that is ended is over everywhere within that."""


class Sessions(Protocol):
    """A session begins with a sign-in link, which works once, or with a token; its name is the browser's secret."""

    async def begin(self, link: Principal) -> str | None:
        """Return a new session's name; None if the link was used before."""

    async def begin_by_token(self, token: Principal) -> str:
        """Return the name of a new session, which lasts no longer than the token."""

    async def find(self, name: str) -> Principal | None:
        """Return the principal of a session, None if there is none, or it is over."""

    async def end(self, name: str) -> None:
        """End a session."""


class StoredSession(msgspec.Struct, frozen=True):
    """A session as it is kept."""

    subject: str
    scopes: frozenset[str]
    token_id: str | None
    key_id: str | None
    expires_at: float
    is_ours: bool = False

    @classmethod
    def of(cls, begun_by: Principal, *, expires_at: float) -> "StoredSession":
        return cls(begun_by.subject, begun_by.scopes, begun_by.token_id, begun_by.key_id, expires_at, begun_by.is_ours)

    def principal(self) -> Principal:
        return Principal(self.subject, self.scopes, self.token_id, self.key_id, self.expires_at, is_ours=self.is_ours)


def new_name() -> str:
    """Draw a name that cannot be guessed: 256 bits."""
    return token_urlsafe(32)


is_name = re.compile(r"[A-Za-z0-9_-]{43}").fullmatch
"""Whether a text may be the name of a session; no JSON Web Token is one."""
