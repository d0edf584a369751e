"""What producers of the bus send and see."""

from typing import Any
from zlib import crc32

import msgspec
from redis import Redis

from write_side.bus.entries import ANSWERS, DEAD_LETTERS, commands


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
