"""A disk that is full: the small file system beneath a server's data, where this machine lets us mount one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.faults.bench.bench import Bench
from tests.faults.kinds.processes import Server
from tests.support.patience import until


@asynccontextmanager
async def full_disk(bench: Bench, name: Server) -> AsyncIterator[None]:
    """Nothing can be written any more: commands are refused, or Redis says that its file could not be written."""
    directory = getattr(bench, name).directory
    ballast, before = directory / "ballast", bench.load.troubles["/problems/storage-unavailable"]
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024 * 1024))
    await until(lambda: _is_felt(bench, name, before))
    rewrites = _rewrites(_persistence(bench))
    yield
    ballast.unlink()
    if name == "redis":
        await until(lambda: _is_rewritten(bench, rewrites))


async def _is_felt(bench: Bench, name: Server, before: int) -> bool:
    """Of Redis, once the projector was refused a commit for it: what nobody has met needs no mending."""
    if name == "postgres":
        return bench.load.troubles["/problems/storage-unavailable"] > before
    async with bench.client() as ops:
        told = (await ops.get(f"{bench.addresses.ops}/status")).raise_for_status().text
    return "MISCONF" in told


def _is_rewritten(bench: Bench, before: int) -> bool:
    """Whether the file has been made anew: zeros may stand in the old one, with which no server starts again."""
    told = _persistence(bench)
    return _rewrites(told) > before and told["aof_last_bgrewrite_status"] == "ok"


def _rewrites(told: dict[str, Any]) -> int:
    """How many are over; one that met the full disk is among them."""
    return int(told["aof_rewrites"]) - int(told["aof_rewrite_in_progress"])


def _persistence(bench: Bench) -> dict[str, Any]:
    with bench.redis_client() as redis:
        told: dict[str, Any] = redis.info("persistence")
    return told
