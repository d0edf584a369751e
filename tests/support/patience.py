"""The one limit of tests, and ways to wait for what nobody announces."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import httpx

from shared.redis.client import Connect, RedisTimeouts, connector

T = TypeVar("T")

SECONDS = 120.0
"""What takes longer has failed: no busy machine is as slow."""


async def until(holds: Callable[[], object], *, seconds: float = SECONDS) -> None:
    """Let all else in this process go on until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - production tells nobody, and for a test alone it should not
            await asyncio.sleep(0.001)


async def answered(client: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], object]) -> httpx.Response:
    """Ask an application in this process until something holds of its answer; return that."""
    async with asyncio.timeout(SECONDS):
        while not holds(answer := await client.get(path)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)
    return answer


def wait_until(holds: Callable[[], T | None], *, seconds: float = SECONDS) -> T:
    """Wait for something in another process; return what was found."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)
    return found


def patient_connector(url: str) -> Connect:
    """Return what makes connections that bear it that a server waits for its disk after every write."""
    return connector(url, timeouts=RedisTimeouts(connect=SECONDS, reply=SECONDS))
