"""Killing and stopping processes and servers, and projectors beside one another."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import httpx

from projector.projections.registry import PROJECTIONS
from shared.read_model.keys import HOME
from tests.faults.bench.bench import Bench
from tests.faults.test_two_projectors import holders, is_held_by, other_than
from tests.support.oracle import goes_on
from tests.support.patience import SECONDS, until
from tests.support.processes import family, frozen
from tests.support.stack import Child, service

Server = Literal["postgres", "redis", "bus"]

_SUPERSEDED = re.compile(r"^muster_projection_superseded_commits_total{.*} (\S+)$", re.MULTILINE)


@asynccontextmanager
async def killed_process(bench: Bench, child: Child) -> AsyncIterator[None]:
    killed = bench.stack.kill(child)
    yield
    await bench.stack.replaced(child, instead_of=killed)


@asynccontextmanager
async def killed_server(bench: Bench, name: Server) -> AsyncIterator[None]:
    server = getattr(bench, name)
    killed = server.pid
    os.kill(killed, signal.SIGKILL)
    yield
    await until(lambda: server.pid != killed and server.is_running)


@asynccontextmanager
async def frozen_process(bench: Bench, child: Child) -> AsyncIterator[None]:
    pid = bench.stack.pid(child)
    assert pid is not None
    with frozen(family(pid)):
        yield


@asynccontextmanager
async def frozen_server(bench: Bench, name: Server) -> AsyncIterator[None]:
    with frozen(family(getattr(bench, name).pid)):
        yield


@asynccontextmanager
async def killed_consumer(bench: Bench) -> AsyncIterator[None]:
    """One of two dies, with its worker, while the other one takes over: what it was about is carried out once."""
    consumer = bench.random.choice(bench.consumers)
    killed = consumer.process
    await bench.messages.send_poison()
    killed.kill()
    yield
    await until(lambda: consumer.process is not killed and consumer.process.poll() is None)


@asynccontextmanager
async def frozen_consumer(bench: Bench) -> AsyncIterator[None]:
    with frozen(family(bench.random.choice(bench.consumers).process.pid)):
        yield


@asynccontextmanager
async def two_projectors(bench: Bench) -> AsyncIterator[None]:
    """One sleeps, the other takes over, the first wakes up and believes that it feeds; then both quarrel."""
    async with bench.client() as ops:
        # Another clock of Redis may just have let the leases run out.
        [first] = await until(lambda: holders(ops, bench.addresses.ops))
        async with _second_projector(bench) as (url, _):
            await _taken_over(bench, ops, url, first=first)
            await bench.load.grown(by=10)
            await _quarrel(bench, ops, url, bench.addresses.ops)
            yield


async def _taken_over(bench: Bench, ops: httpx.AsyncClient, url: str, *, first: str) -> None:
    """Have the second projector, at this URL, feed while the first sleeps."""
    second = await until(lambda: other_than(first, ops, url))
    pid = bench.stack.pid(Child.PROJECT)
    assert pid is not None
    with frozen(family(pid)), bench.redis_client() as redis:
        await until(lambda: is_held_by(second["id"], ops, url))
        await goes_on(redis)


async def _quarrel(bench: Bench, ops: httpx.AsyncClient, *urls: str) -> None:
    """Pass the leases from hand to hand, so that two feed at once, until the compare-and-set has refused one."""
    leases = [HOME.projection(each.name).lease(each.version) for each in PROJECTIONS]
    before = await superseded(ops, *urls)
    async with asyncio.timeout(SECONDS):
        while await superseded(ops, *urls) == before:
            with bench.redis_client() as redis:
                for other in redis.smembers(HOME.projectors) - {redis.get(leases[0])}:
                    redis.mset(dict.fromkeys(leases, other))
            await bench.load.grown(by=3)


async def superseded(ops: httpx.AsyncClient, *urls: str) -> float:
    """How many commits these projectors were refused."""
    told = [(await ops.get(f"{url}/metrics")).text for url in urls]
    return sum(float(number) for text in told for number in _SUPERSEDED.findall(text))


@asynccontextmanager
async def _second_projector(bench: Bench) -> AsyncIterator[tuple[str, int]]:
    urls = {"MUSTER_DATABASE_URL": bench.database_line.url, "MUSTER_REDIS_URL": bench.redis_line.url}
    async with service("project", bench.home / "second.log", **urls) as (url, pid):
        yield url, pid
