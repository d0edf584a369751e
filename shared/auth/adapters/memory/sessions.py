"""Sessions of one process."""

import time
from collections.abc import Callable

from shared.auth.principal import Principal
from shared.auth.sessions import StoredSession, new_name


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
