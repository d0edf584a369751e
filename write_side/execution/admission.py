"""How many commands a process takes on at once: more would only wait for one another, and for ever longer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from shared.errors import Overloaded

AT_ONCE = 10
"""Commands that are carried out: as many as there are connections to the database."""

MOST_WAITING = 200
"""Commands that wait for their turn, or for another one under the same key: a second's work, or less."""

PATIENCE_SECONDS = 2.0
"""For which a command waits for its turn."""

_TAKEN_ON = Gauge("muster_commands_taken_on", "Commands that are carried out or wait for their turn.")


class Admission:
    """Counts commands in and out; beyond its limits it refuses at once, or after a bounded time."""

    def __init__(
        self, *, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING, patience: float = PATIENCE_SECONDS
    ) -> None:
        """:param patience: seconds for which a turn is waited for."""
        self._turns = asyncio.Semaphore(at_once)
        self._most = at_once + most_waiting
        self._patience = patience
        self._taken_on = 0

    @asynccontextmanager
    async def taken_on(self) -> AsyncIterator[None]:
        """
        Be one of those that are carried out or wait.

        :raises Overloaded: too many are.
        """
        if self._taken_on >= self._most:
            raise Overloaded(f"{self._taken_on} commands are under way or waiting")
        self._taken_on += 1
        _TAKEN_ON.inc()
        try:
            yield
        finally:
            self._taken_on -= 1
            _TAKEN_ON.dec()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """
        Have one's turn, in the order in which one came.

        :raises Overloaded: it does not come in time.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded(f"no turn came within {self._patience:g} s") from None
        try:
            yield
        finally:
            self._turns.release()
