"""An event log that is read again and again in one session."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from shared.event_log.ports import EventLog, EventReader


class PersistentEventLog:
    """
    Opens one session when it is first asked for one, and hands it out until something fails in it.

    For one caller at a time: a new session every second would cost more than what is read in it.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._reader: EventReader | None = None
        self._open = AsyncExitStack()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[EventReader]:
        try:
            if self._reader is None:
                self._reader = await self._open.enter_async_context(self._log.connect())
            else:
                await self._reader.wait(seconds=0)  # unread notifications would pile up
            yield self._reader
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End the session, if there is one."""
        self._reader = None
        await self._open.aclose()
