"""What can befall Redis: it comes back older or torn, is emptied, may evict, or holds what does not belong there."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from redis import Redis

from shared.read_model.keys import HOME, GenerationKeys
from shared.read_model.positions import Pointer
from tests.faults.bench.bench import Bench
from tests.faults.operator import Operator
from tests.support.oracle import goes_on
from tests.support.patience import until
from tests.support.processes import frozen

MULTI, EXEC = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"


@asynccontextmanager
async def emptied(bench: Bench) -> AsyncIterator[None]:
    with bench.redis_client() as redis:
        redis.flushall()
    yield


@asynccontextmanager
async def older_snapshot(bench: Bench) -> AsyncIterator[None]:
    """Redis starts again from what its directory held a while ago, as from a backup of the disk."""
    snapshot = bench.redis.data.with_name("snapshot")
    with frozen({bench.redis.pid}):
        shutil.copytree(bench.redis.data, snapshot)
    await bench.load.grown(by=20)
    async with bench.unattended(bench.redis):
        bench.redis.kill()
        shutil.rmtree(bench.redis.data)
        snapshot.rename(bench.redis.data)
    yield


@asynccontextmanager
async def torn_multi(bench: Bench) -> AsyncIterator[None]:
    """
    Twice the append-only file ends in the middle of a projector's transaction, and then there is a third crash.

    Redis 7.0 and 8.2 execute at the second start what is left of a transaction, before the next one.
    """
    for _ in range(2):
        while not await _crashed_inside_multi(bench):
            pass
    async with bench.unattended(bench.redis):
        bench.redis.kill()
    yield


async def _crashed_inside_multi(bench: Bench) -> bool:
    """Whether there was a transaction to crash in: right after a rewrite of the file has begun, there is none."""
    await bench.load.grown(by=20)
    async with bench.unattended(bench.redis):
        bench.redis.kill()
        is_cut = cut_inside_multi(_file_of(bench), bench.random)
    with bench.redis_client() as redis:
        await goes_on(redis)
        # Killed over the rewrite, Redis 7.0 to 8.2 do not start again: the torn part is then not the last one.
        await until(lambda: _is_rewritten(redis))
    return is_cut


def _is_rewritten(redis: Redis) -> bool:
    """Whether the projector has had the file rewritten, as it does after each start of the server."""
    about: Any = redis.info()
    return about["aof_rewrites"] and not about["aof_rewrite_in_progress"] and not about["aof_rewrite_scheduled"]


def cut_inside_multi(file: Path, choose: Random) -> bool:
    """Take the end off the file, from within the last transaction that moved a checkpoint, if there is one."""
    content = file.read_bytes()
    if b":checkpoint\r\n" not in content:
        return False
    start = content.rindex(MULTI, 0, content.rindex(b":checkpoint\r\n"))
    end = content.index(EXEC, start)
    os.truncate(file, choose.randrange(start + len(MULTI) + 1, end))
    return True


@asynccontextmanager
async def may_evict(bench: Bench) -> AsyncIterator[None]:
    """Redis is told that it may evict: nobody feeds it or reads it before that is taken back."""
    with bench.redis_client() as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        await until(lambda: _is_unready(bench))
        yield
        redis.config_set("maxmemory-policy", "noeviction")


@asynccontextmanager
async def wrong_type(bench: Bench) -> AsyncIterator[None]:
    """A key of another type stands where unique entries belong: the generation stops loudly, and is rebuilt by hand."""
    async with Operator(bench.stack) as operator:
        with bench.redis_client() as redis:
            redis.set(_live(redis).unique_entries("by-handle"), "not a hash")
        await until(lambda: operator.are_stopped("profiles"))
        yield
        await operator.rebuild("profiles")


async def _is_unready(bench: Bench) -> bool:
    async with bench.client() as client:
        found = [await client.get(f"{url}/readyz") for url in (bench.addresses.read, bench.addresses.ops)]
    return all(each.status_code == 503 for each in found)


def _live(redis: Redis) -> GenerationKeys:
    keys = HOME.projection("profiles")
    stored: Any = redis.get(keys.live)
    return keys.generation(msgspec.json.decode(stored, type=Pointer).generation)


def _file_of(bench: Bench) -> Path:
    """The part of the append-only file that grows: while it is rewritten, it has an older one beside it."""
    return max((bench.redis.data / "appendonlydir").glob("*.incr.aof"), key=lambda file: int(file.name.split(".")[-3]))
