"""What a group of very many costs: one more member, another name, its end; and what that costs others meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.benchmarks.results import BenchResult
from tests.benchmarks.scenario import Scale
from tests.benchmarks.scenarios.writes import prefix
from tests.benchmarks.servers import BenchedMuster
from tests.benchmarks.sides import percentiles

CLIENTS = 4
"""That look up members meanwhile, one after the other."""


async def big_group(muster: BenchedMuster, size: Scale, _: Collection[str]) -> list[BenchResult]:
    """Carry out one command of the group after the other; a number is the seconds until all records have it."""
    read, write = (muster.stack.client(url) for url in (muster.stack.addresses.read, muster.stack.addresses.write))
    group = muster.generated.created[0][0]
    ids = [account for _, _, of, account, _ in muster.generated.memberships if of == group]
    async with read, write:
        case = _BigGroup(write, read, group, ids)
        async with case.looking_up() as before:
            await asyncio.sleep(size.seconds)
        late = await case.register()
        return [
            await case.timed("big-group-member", before, "add-group-member", account=f"@{late}"),
            await case.timed("big-group-name", before, "update-group", name="Renamed"),
            await case.timed("big-group-end", before, "delete-group"),
        ]


class _BigGroup:
    def __init__(self, write: httpx.AsyncClient, read: httpx.AsyncClient, group: str, ids: list[str]) -> None:
        self._write, self._read, self._group, self._ids = write, read, group, ids

    async def register(self) -> str:
        handle = f"{prefix()}late"
        await self._command("register-account", handle=handle, email=f"{handle}@people.example", display_name="Late")
        return handle

    async def timed(self, name: str, before: list[float], command: str, /, **fields: Any) -> BenchResult:
        """Carry out a command of the group, and one of another client right behind it."""
        async with self.looking_up() as meanwhile:
            began = time.perf_counter()
            position = await self._command(command, group=self._group, **fields)
            answered = time.perf_counter()
            handle = await self.register()
            registered = time.perf_counter()
            while (await self._read.get(f"/profiles/by-handle/{handle}")).status_code == httpx.codes.NOT_FOUND:
                pass
            seen = time.perf_counter()
            for path in ("/profiles?limit=1", "/groups?limit=1"):
                await self._reached(path, position)
            everywhere = time.perf_counter() - began
        details = {
            "answered ms": 1e3 * (answered - began),
            "a registration behind it seen ms": 1e3 * (seen - registered),
            **_look_ups("before", before),
            **_look_ups("meanwhile", meanwhile),
        }
        what = f"{command} in a group of {len(self._ids):,}: seconds until all records have it"
        return BenchResult(name=name, what=what, unit="s", value=everywhere, details=details)

    @asynccontextmanager
    async def looking_up(self) -> AsyncIterator[list[float]]:
        """Give the seconds of every look-up of a member meanwhile."""
        taken, ended = list[float](), asyncio.Event()

        async def client(number: int) -> None:
            while not ended.is_set():
                began = time.perf_counter()
                answer = await self._read.get(f"/profiles/{self._ids[(number + len(taken)) % len(self._ids)]}")
                taken.append(time.perf_counter() - began)
                answer.raise_for_status()

        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(client(number))
            yield taken
            ended.set()

    async def _command(self, command: str, /, **fields: Any) -> int:
        answer = await self._write.post(f"/commands/{command}", json=fields)
        return int(answer.raise_for_status().headers["muster-position"])

    async def _reached(self, path: str, position: int) -> None:
        """Return once a position can be read, however long that takes."""
        wait = {"Muster-Min-Position": str(position)}
        while (await self._read.get(path, headers=wait)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            pass


def _look_ups(when: str, seconds: list[float]) -> Mapping[str, float]:
    p50, p99 = percentiles(seconds)
    return {f"look-ups {when} p50 ms": p50, f"look-ups {when} p99 ms": p99}
