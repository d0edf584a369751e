"""A disk that is full: the small file system beneath a server's data, where this machine lets us mount one."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.bench import Bench
from tests.support.faults.processes import Server
from tests.support.stack import until


@asynccontextmanager
async def full_disk(bench: Bench, name: Server) -> AsyncIterator[None]:
    """Nothing can be written any more: commands are refused, or Redis says that its file could not be written."""
    directory = getattr(bench, name).directory
    ballast, before = directory / "ballast", bench.load.troubles["/problems/storage-unavailable"]
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(directory).free)
    await until(lambda: _is_felt(bench, name, before))
    yield
    ballast.unlink()


async def _is_felt(bench: Bench, name: Server, before: int) -> bool:
    if name == "postgres":
        return bench.load.troubles["/problems/storage-unavailable"] > before
    with bench.redis_client() as redis:
        return bool(redis.info("persistence")["aof_last_write_status"] == "err")
