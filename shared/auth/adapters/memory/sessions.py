"""Sessions of one process."""

import time
from collections.abc import Callable

from shared.auth.principal import Principal
from shared.auth.sessions import SESSION_SECONDS, StoredSession, new_name


class MemorySessions:
    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._used: set[str | None] = set()
        self._sessions: dict[str, StoredSession] = {}

    async def begin(self, link: Principal) -> str | None:
        if link.token_id in self._used:
            return None
        self._used.add(link.token_id)
        return self._begun(link, expires_at=self._clock() + SESSION_SECONDS)

    async def begin_by_token(self, token: Principal) -> str:
        return self._begun(token, expires_at=min(self._clock() + SESSION_SECONDS, token.expires_at))

    async def find(self, name: str) -> Principal | None:
        session = self._sessions.get(name)
        return session.principal() if session and session.expires_at > self._clock() else None

    async def end(self, name: str) -> None:
        self._sessions.pop(name, None)

    def _begun(self, by: Principal, *, expires_at: float) -> str:
        name = new_name()
        self._sessions[name] = StoredSession.of(by, expires_at=expires_at)
        return name
