"""Readers of the change feed that come and go, while it is rebuilt, switched back and loses its Redis."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import httpx
import msgspec
import pytest

from shared.runtime.retry import Backoff, RetryPolicy
from shared.runtime.tasks import Tasks
from tests.support.event_streams import followed
from tests.support.patience import until
from tests.support.people import registration
from tests.support.stack import Child, Stack

NDJSON = {"Content-Type": "application/x-ndjson"}
LINES = 50
"""Commands that are posted together, each of two events."""


class Reader:
    """A client that keeps what it met, and the position behind which it goes on."""

    def __init__(self, stack: Stack, *, after: int, seed: int) -> None:
        self.met: list[int] = []
        self.after = after
        self.rests = 0
        """How often it began anew."""
        self._stack = stack
        self._choose = random.Random(seed)

    async def run(self) -> None:
        backoff = Backoff(RetryPolicy(first=0.02, longest=0.2))
        while True:
            self.rests += 1
            try:
                await self._read_some()
            except httpx.HTTPError:
                await backoff.pause()
            else:
                backoff.reset()

    async def _read_some(self) -> None:
        raise NotImplementedError


class Follower(Reader):
    """Follows the stream, and hangs up after a random number of changes."""

    async def _read_some(self) -> None:
        left = self._choose.randint(1, 60)
        headers = {"Last-Event-ID": str(self.after)}
        async with followed(self._stack.addresses.read, path="/changes/stream", **headers) as (answer, events):
            answer.raise_for_status()
            async for event in events:
                if event.data:
                    self.met.append(event.data["sequence"])
                    left -= 1
                self.after = int(event.id or self.after)
                if not left:
                    return


class Pager(Reader):
    """Asks for pages of random lengths."""

    async def _read_some(self) -> None:
        async with self._stack.client(self._stack.addresses.read) as client:
            for _ in range(self._choose.randint(1, 5)):
                query = {"after": self.after, "limit": self._choose.randint(1, 60), "wait": 1}
                page = (await client.get("/changes", params=query)).raise_for_status().json()
                self.met += [each["sequence"] for each in page["items"]]
                self.after = page["next_after"]


class Feed:
    """The feed of a stack, and what is done to it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._ops = stack.client(stack.addresses.ops)
        self._write = stack.client(stack.addresses.write)
        self._salt = random.Random().randrange(10**9)
        self._number = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ops.aclose()
        await self._write.aclose()

    def positions(self, *, after: int = 0) -> list[int]:
        """All that are in the log."""
        with self._stack.database() as session:
            rows = session.execute("select position from event_log where position > %s order by position", [after])
            return [position for (position,) in rows]

    async def grow(self, commands: int) -> None:
        """Register so many people, line by line."""
        for _ in range(commands // LINES):
            self._number += LINES
            names = [f"feed-{self._salt}-{number}" for number in range(self._number - LINES, self._number)]
            lines = [msgspec.json.encode({"command": "register-account", **registration(name)}) for name in names]
            answers = (await self._write.post("/commands", content=b"\n".join(lines), headers=NDJSON)).text
            assert answers.count('"status":200') == LINES, answers

    async def rebuild(self) -> None:
        await until(lambda: self._ordered("rebuild", keep_old=3600))
        await until(self._is_at_rest)

    async def roll_back(self) -> None:
        await until(lambda: self._ordered("rollback"))

    async def lose_redis(self) -> None:
        """With what it had written to no disk yet: the positions of the feed fall, and come again."""
        killed = self._stack.kill(Child.REDIS)
        await self._stack.back(Child.REDIS, instead_of=killed)

    async def _ordered(self, action: str, **body: object) -> bool:
        try:
            return (await self._ops.post(f"/projections/changes/{action}", json=body)).is_success
        except httpx.TransportError:
            return False

    async def _is_at_rest(self) -> bool:
        told = {each["name"]: each for each in (await self._stack.status())["projections"]}
        return told["changes"]["rebuild"] is None


@asynccontextmanager
async def reading(*readers: Reader) -> AsyncIterator[None]:
    """Have readers read meanwhile, and until they have come to the head of the log."""
    async with Tasks() as tasks:
        for each in readers:
            tasks.start(each.run(), name=type(each).__name__)
        yield


@pytest.mark.parametrize("events", [800, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_a_reader_that_reconnects_sees_each_change_exactly_once(mortal_stack, events):
    """In order, across a rebuild, a kill of Redis and a rollback; nothing is lost, and nothing comes twice."""
    await mortal_stack.ready()
    async with Feed(mortal_stack) as feed:
        begun = max(feed.positions(), default=0)
        readers = [Follower(mortal_stack, after=begun, seed=1), Pager(mortal_stack, after=begun, seed=2)]
        async with reading(*readers):
            for trouble in (feed.rebuild, feed.lose_redis, feed.roll_back):
                await asyncio.gather(feed.grow(events // 8), trouble())
            await feed.grow(events // 8)
            expected = feed.positions(after=begun)
            for each in readers:
                await until(lambda each=each: _has_come(each, expected[-1]))

    assert len(expected) == events
    for each in readers:
        assert each.met == expected
        assert each.rests > events // 100


def _has_come(reader: Reader, position: int) -> bool:
    return reader.after >= position
