"""The one limit of tests, and ways to wait for what nobody announces."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from shared.redis.client import Connect, RedisTimeouts, connector
from shared.runtime.retry import Backoff, RetryPolicy

T = TypeVar("T")

SECONDS = 120.0
"""What takes longer has failed: no busy machine is as slow."""
ASKING = RetryPolicy(first=0.01, longest=0.1)


async def until(holds: Callable[[], Awaitable[T | None] | T | None], *, seconds: float = SECONDS) -> T:
    """
    Ask for something in another process, until it is there, and ever more seldom; return it.

    :param holds: what it gives may have to be awaited.
    """
    backoff = Backoff(ASKING)
    async with asyncio.timeout(seconds):
        while not (found := await _awaited(holds())):
            await backoff.pause()
        return found


async def until_here(holds: Callable[[], object]) -> None:
    """Let all else in this process go on until something holds, however short."""
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - production tells nobody, and for a test alone it should not
            await asyncio.sleep(0.001)


def wait_until(holds: Callable[[], T | None], *, seconds: float = SECONDS) -> T:
    """Wait for something in another process, where there is no event loop; return what was found."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)
    return found


async def answered(client: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], object]) -> httpx.Response:
    """Ask an application in this process until something holds of its answer; return that."""
    async with asyncio.timeout(SECONDS):
        while not holds(answer := await client.get(path)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    return answer


async def not_behind(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer, asked for again as long as it is to come again: a projection may be behind, or a database away."""

    async def asked() -> httpx.Response | None:
        answer = await ask()
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    return await until(asked)


async def answers(client: httpx.AsyncClient, url: str, **headers: str) -> httpx.Response | None:
    """The answer, if it is a success."""
    try:
        answer = await client.get(url, headers=headers)
    except httpx.TransportError:
        return None
    return answer if answer.is_success else None


PATIENT = RedisTimeouts(connect=SECONDS, reply=SECONDS)
"""For who bears it that a server waits for its disk after every write, or for the processor."""


def patient_connector(url: str) -> Connect:
    """Return what makes such connections."""
    return connector(url, timeouts=PATIENT)


async def _awaited(found: Awaitable[T | None] | T | None) -> T | None:
    return await found if inspect.isawaitable(found) else found
