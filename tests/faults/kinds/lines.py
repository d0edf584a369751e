"""What can befall the connections between processes and servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from tests.faults.bench.bench import Bench
from tests.support.patience import until
from tests.support.proxy import Cut, Proxy

Line = Literal["database_line", "redis_line"]

MESSAGES = (b">3\r\n$7\r\nmessage\r\n", b"*3\r\n$7\r\nmessage\r\n")
"""How a published message begins, in both versions of Redis' protocol."""

NOTIFICATION = b"A"
"""The type of PostgreSQL's NotificationResponse; the length of what follows stands behind it."""


@asynccontextmanager
async def slow_line(bench: Bench, name: Line) -> AsyncIterator[None]:
    line: Proxy = getattr(bench, name)
    line.delay = bench.random.uniform(0.005, 0.05)
    yield
    line.delay = 0


@asynccontextmanager
async def cut_line(bench: Bench, name: Line) -> AsyncIterator[None]:
    """All connections break at once, and nobody gets through until it is over."""
    line: Proxy = getattr(bench, name)
    line.is_open = False
    assert line.cut() > 0
    yield
    line.is_open = True


@asynccontextmanager
async def lost_commits(bench: Bench) -> AsyncIterator[None]:
    """Some connections break while a command is being committed, before or after the server hears of it."""
    line = bench.database_line
    line.when, line.share, before = bench.random.choice(list(Cut)), 0.3, line.cuts
    yield
    await until(lambda: line.cuts > before)
    line.share = 0


@asynccontextmanager
async def lost_publish(bench: Bench) -> AsyncIterator[None]:
    """What the projector announces does not reach the readers, some of whom wait for it."""
    line, before = bench.redis_line, bench.redis_line.lost
    line.loses = lambda said: said.startswith(MESSAGES)
    yield
    await until(lambda: line.lost > before)
    line.loses = None


@asynccontextmanager
async def lost_notify(bench: Bench) -> AsyncIterator[None]:
    """The projector does not hear the write side's notifier."""
    line, before = bench.database_line, bench.database_line.lost
    line.loses = is_notification
    yield
    await until(lambda: line.lost > before)
    line.loses = None


def is_notification(said: bytes) -> bool:
    """Whether that is all that was said; what stands beside it is an answer."""
    return said.startswith(NOTIFICATION) and len(said) == 1 + int.from_bytes(said[1:5], "big")
