"""Waiting until a projection has come as far as a reader needs it to be."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, TypeVar

from prometheus_client import Gauge, Histogram

from shared.errors import Overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshnessLimits:
    """How many readers may wait."""

    waiting: int = 1_000
    """For one projection at a time; each is woken, and reads again, with what it waits for."""


_WAITERS = Gauge(
    "muster_read_waiters",
    "Requests that wait for a projection to come further.",
    ("projection",),
    multiprocess_mode="livesum",
)
_WAITED = Histogram(
    "muster_read_wait_seconds",
    "How long reads waited for a projection that was behind, by whether it came as far as was asked in time.",
    ("outcome",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


class Positioned(Protocol):
    """An answer that says which checkpoint it was read at."""

    @property
    def position(self) -> int: ...


P = TypeVar("P", bound=Positioned)


class ProjectionBehind(Exception):
    """The projection did not come as far as was asked within the time a reader may wait."""

    def __init__(self, *, position: int, minimum: int) -> None:
        super().__init__(f"The projection stands at {position}, before {minimum}")
        self.position = position
        self.minimum = minimum


class Freshness:
    """
    Readers that wait for one projection.

    No read polls: the projection's announcement wakes it. Announcements can be lost, so each
    reads again after a break in hearing them, when another generation goes live, and before giving up.

    :param patience: how long a reader may wait, in seconds.
    """

    def __init__(self, projection: str, *, patience: float, limits: FreshnessLimits | None = None) -> None:
        self._in_progress = _WAITERS.labels(projection).track_inprogress()
        self.patience = patience
        self._most_waiting = (limits or FreshnessLimits()).waiting
        self._waiters: dict[asyncio.Future[None], int] = {}

    @property
    def waiting(self) -> int:
        """How many wait at this moment."""
        return len(self._waiters)

    async def reach(self, minimum: int, read: Callable[[], Awaitable[P]]) -> P:
        """
        Read, again if need be, until the answer's position is at least `minimum`.

        :raises ProjectionBehind: it is not in time.
        :raises Overloaded: too many wait for it.
        """
        answer = await read()
        if answer.position >= minimum:
            return answer
        began = perf_counter()
        try:
            answer = await self.wait_for(minimum, read, patience=self.patience)
        except ProjectionBehind:
            _WAITED.labels("behind").observe(perf_counter() - began)
            raise
        _WAITED.labels("reached").observe(perf_counter() - began)
        return answer

    def announce(self, position: int) -> None:
        """Wake those who need no more than `position`."""
        for waiter, minimum in self._waiters.items():
            if minimum <= position:
                _wake(waiter)

    def read_again(self) -> None:
        """Wake all readers: something may have been missed."""
        for waiter in self._waiters:
            _wake(waiter)

    async def wait_for(self, minimum: int, read: Callable[[], Awaitable[P]], *, patience: float) -> P:
        """
        Do the same within so many seconds, as a reader may who wants to be woken by what comes next.

        :raises ProjectionBehind, Overloaded: as with `reach`.
        """
        if self.waiting >= self._most_waiting:
            raise Overloaded(f"{self.waiting} wait for it already")
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            # Registered before the checkpoint is read: what is announced in between is not missed.
            with self._registered(minimum) as waiter:
                answer = await read()
                if answer.position >= minimum:
                    return answer
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    raise ProjectionBehind(position=answer.position, minimum=minimum)
                await asyncio.wait([waiter], timeout=left)

    @contextmanager
    def _registered(self, minimum: int) -> Iterator[asyncio.Future[None]]:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = minimum
        try:
            with self._in_progress:
                yield waiter
        finally:
            del self._waiters[waiter]


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
