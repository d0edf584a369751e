"""Erasing a person while others change them and add them to a group."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.bench.bench import Bench
from tests.support.patience import SECONDS


@asynccontextmanager
async def races_with_erasure(bench: Bench) -> AsyncIterator[None]:
    """Again and again, until some came before the erasure and some after it: those are told that there is nobody."""
    answered: set[int] = set()
    async with asyncio.timeout(SECONDS):
        while not {200, 404} <= answered:
            answered |= await _race(bench)
    yield


async def _race(bench: Bench) -> set[int]:
    person, group = await bench.registered(), await bench.group()
    bench.load.accepted.remove(person)
    asked = [
        bench.send("update-profile", account=person.id, title="Late"),
        bench.send("change-handle", account=person.id, handle=f"{person.account.handle}.late"),
        bench.send("add-group-member", account=person.id, group=group.id),
    ]
    asked.insert(bench.random.randrange(len(asked) + 1), _erased(bench, person.id))
    answered = {status for status in await asyncio.gather(*asked) if status is not None}
    bench.load.refused += [person.account.handle, f"{person.account.handle}.late"]
    return answered


async def _erased(bench: Bench, account: str) -> None:
    assert await bench.send("erase-account", account=account) == 200
