"""Consumers of the bus as processes of their own, and what their producers send and see."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import msgspec
import svcs
from litestar.types import ASGIApp
from redis import Redis

from shared.dev_stack.embedded.server import free_port
from shared.settings import Settings
from tests.support.forks import NOTHING, Fork, serve_application
from tests.support.patience import SECONDS
from tests.support.stack import environment
from write_side.bus.entries import ANSWERS, DEAD_LETTERS, commands
from write_side.http.worker import worker
from write_side.services import register_consumer, register_postgres


class ConsumerProcess:
    """One `muster consume`, on a database that may do without `fsync`."""

    def __init__(self, log: Path, **variables: str) -> None:
        self.port = free_port()
        environ = environment(MUSTER_HOME=str(log.parent), **variables)
        self._process = Fork(serve_application, _TARGET, self.port, streams=(NOTHING, log, log), **environ)

    def shards(self) -> int:
        """How many it carries out; 0 while it does not serve."""
        try:
            text = self.metrics()
        except httpx.TransportError:
            return 0
        return next(
            (int(float(line.split()[1])) for line in text.splitlines() if line.startswith("muster_bus_shards ")), 0
        )

    def metrics(self) -> str:
        """:raises httpx.TransportError: it does not serve."""
        return httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False, timeout=SECONDS).text

    def end(self, number: signal.Signals) -> None:
        """End it and its worker: as a crash of the machine would, or in peace."""
        self._process.send_signal(number)
        self._process.wait()


@contextlib.contextmanager
def consumers(count: int, log: Path, **variables: str) -> Iterator[list[ConsumerProcess]]:
    """Several, of which a test may exchange some."""
    running = [ConsumerProcess(log, **variables) for _ in range(count)]
    try:
        yield running
    finally:
        for each in running:
            each.end(signal.SIGTERM)


class BusClient:
    """Sends messages to the shard that an account's name chooses, and reads what became of them."""

    def __init__(self, redis: Redis, *, shards: int) -> None:
        self.redis = redis
        self._shards = shards

    def send(self, account: str, body: bytes) -> str:
        """:returns: shard and id of the message, as its answer has them."""
        shard = crc32(account.encode()) % self._shards
        id_: Any = self.redis.xadd(commands(shard), {"command": body})
        return f"{shard}:{id_.decode()}"

    def answered(self) -> int:
        return int(self.redis.xlen(ANSWERS))

    def answers(self) -> list[tuple[str, dict[str, Any]]]:
        """Every answer, by its message."""
        return self._read(ANSWERS, b"answer")

    def dead_letters(self) -> list[tuple[str, dict[str, Any]]]:
        return self._read(DEAD_LETTERS, b"reason")

    def left(self) -> int:
        """How many messages are not settled."""
        return sum(int(self.redis.xlen(commands(shard))) for shard in range(self._shards))

    def _read(self, stream: str, field: bytes) -> list[tuple[str, dict[str, Any]]]:
        entries: Any = self.redis.xrange(stream)
        return [
            (f"{fields[b'shard'].decode()}:{fields[b'message'].decode()}", msgspec.json.decode(fields[field]))
            for _, fields in entries
        ]


def create_app() -> ASGIApp:
    """A consumer, as `ConsumerProcess` runs it."""
    return worker(_register, title="A consumer", description="In a test.")


def _register(registry: svcs.Registry) -> None:
    settings = Settings.load(os.environ)
    register_postgres(registry, url=settings.required("database_url"), allow_unsafe=True)
    register_consumer(registry, settings)


_TARGET = f"{__name__}:create_app"
