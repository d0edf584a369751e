"""A projection's generations in Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from projector.adapters.redis.client import ported
from projector.adapters.redis.exchange import Command, Exchange, exchange
from projector.ports import Batch, EvictionPossible, GenerationDamaged, Superseded, Survey
from projector.projection import Key, LookUp
from projector.remedies import damage
from projector.stored import decoded
from projector.writes import Enlist, Put, Remove, Strike, Write, by_hash, look_ups, without_taken, writes
from shared.keys import TENDED, GenerationKeys, ProjectionKeys
from shared.listing import end_of
from shared.records import Announcement, Checkpoint, Pointer

log = structlog.get_logger()


class RedisReadModel:
    """Uses `client` for one projection; it must never send anything twice, see `client.connect`."""

    def __init__(self, client: Redis, *, projection: str) -> None:
        self._client = client
        self._keys = ProjectionKeys(projection)
        self._unmarked: dict[str, str] = {}

    async def attest(self) -> None:
        with ported(self._keys):
            server = await self._client.info("server", "memory", "persistence")
            await self._tend(server)
        # INFO tells the policy even where CONFIG is forbidden.
        if (policy := server.get("maxmemory_policy")) != "noeviction":
            raise EvictionPossible(
                f"projection {self._keys.projection}: Redis may evict documents, its maxmemory-policy is {policy};"
                " run `CONFIG SET maxmemory-policy noeviction`, and write it into Redis' configuration"
            )

    async def survey(self) -> Survey:
        with ported(self._keys):
            await self._mark_damaged()
            pointers: list[Any] = await self._client.mget(self._keys.live, self._keys.filling)
            live, filling = pointers
            fed = decoded(live or filling, Pointer, keys=self._keys)
            if fed is None:
                return Survey()
            keys = self._keys.generation(fed.generation)
            return self._survey([live, filling, *await self._client.mget(keys.checkpoint, keys.damaged)])

    async def begin_fill(self, pointer: Pointer) -> None:
        with ported(self._keys):
            async with exchange(self._client) as redis:
                await redis.ask(("WATCH", self._keys.live, self._keys.filling))
                await self._require_nothing_to_feed()
                await redis.transact(
                    ("SET", self._keys.generation(pointer.generation).checkpoint, msgspec.json.encode(Checkpoint())),
                    ("SET", self._keys.filling, msgspec.json.encode(pointer)),
                )

    @asynccontextmanager
    async def commit(self, generation: str, *, expected: Checkpoint) -> AsyncIterator["RedisCommit"]:
        keys = self._keys.generation(generation)
        with ported(self._keys):
            async with exchange(self._client) as redis:
                await self._require(redis, generation, expected)
                still = partial(self._require, redis, generation, expected)
                yield RedisCommit(redis, keys, require_expected=still, on_damage=self._damaged)

    async def go_live(self, pointer: Pointer, *, expected: Checkpoint) -> None:
        with ported(self._keys):
            async with exchange(self._client) as redis:
                survey = await self._require(redis, pointer.generation, expected)
                if survey.filling != pointer:
                    raise Superseded(f"generation {pointer.generation} is not being filled")
                await redis.transact(
                    ("SET", self._keys.live, msgspec.json.encode(pointer)),
                    ("DEL", self._keys.filling),
                    ("PUBLISH", self._keys.announce, _announcement(pointer.generation, expected)),
                )

    async def _require(self, redis: Exchange, generation: str, expected: Checkpoint) -> Survey:
        """Watch everything a commit relies on, then make sure that it is so."""
        keys = self._keys.generation(generation)
        watched = (self._keys.live, self._keys.filling, keys.checkpoint, keys.damaged)
        _, values = await redis.ask(("WATCH", *watched), ("MGET", *watched))
        survey = self._survey(values)
        if survey.damaged:
            raise GenerationDamaged(survey.damaged)
        if survey.fed is None or survey.fed.generation != generation:
            raise Superseded(f"generation {generation} is not fed any more")
        if survey.checkpoint != expected:
            raise Superseded(f"the checkpoint of generation {generation} was moved by somebody else")
        return survey

    async def _require_nothing_to_feed(self) -> None:
        survey = await self.survey()
        if survey.live or survey.checkpoint:
            raise Superseded("another projector started a first fill")

    async def _tend(self, server: Mapping[str, Any]) -> None:
        """
        Have the append-only file rewritten once after each start of the server.

        A crash can leave the head of a transaction in it, which Redis 7.0 and 8.2 drop at the first restart and execute
        at the second. The order of writes makes that harmless; the rewrite washes it away.
        """
        if await self._client.get(TENDED) == server["run_id"].encode():
            return
        if server["aof_enabled"]:
            try:
                await self._client.bgrewriteaof()
            except ResponseError as error:
                log.warning("Redis does not rewrite its append-only file", error=str(error))
        await self._client.set(TENDED, server["run_id"])

    async def _damaged(self, generation: str, why: str) -> None:
        self._unmarked[generation] = why
        await self._mark_damaged()

    async def _mark_damaged(self) -> None:
        """Write down what is damaged; where the connection was lost over it, before anything else is done."""
        for generation, why in list(self._unmarked.items()):
            await self._client.set(self._keys.generation(generation).damaged, why)
            del self._unmarked[generation]

    def _survey(self, values: Sequence[Any]) -> Survey:
        live, filling, checkpoint, damaged = values
        return Survey(
            decoded(live, Pointer, keys=self._keys),
            decoded(filling, Pointer, keys=self._keys),
            decoded(checkpoint, Checkpoint, keys=self._keys),
            damaged.decode() if damaged else None,
        )


class RedisCommit:
    """One commit in the making; everything is read on the connection that watches."""

    def __init__(
        self,
        redis: Exchange,
        keys: GenerationKeys,
        *,
        require_expected: Callable[[], Awaitable[Survey]],
        on_damage: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._projection = ProjectionKeys(keys.projection)
        self._require_expected = require_expected
        self._on_damage = on_damage

    async def fetch(self, keys: Collection[Key]) -> Mapping[Key, bytes | None]:
        ids: dict[str, list[str]] = {}
        for key in keys:
            ids.setdefault(key.kind, []).append(key.id)
        hashes = {self._keys.documents(kind, "full"): names for kind, names in ids.items()}
        with ported(self._projection):
            values = await self._fields(hashes)
        wanted = [Key(kind, name) for kind, names in ids.items() for name in names]
        return dict(zip(wanted, chain.from_iterable(values), strict=True))

    async def entries(self, by: str, *, prefix: bytes, after: bytes | None, limit: int) -> Sequence[bytes]:
        first = b"[" + prefix if after is None else b"(" + after
        last = b"(" + end_of(prefix)
        key = self._keys.listing(by)
        with ported(self._projection):
            (entries,) = await self._redis.ask(("ZRANGE", key, first, last, "BYLEX", "LIMIT", 0, limit))
        return list(entries)

    async def confirm(self) -> None:
        with ported(self._projection):
            await self._require_expected()

    async def apply(self, batch: Batch) -> None:
        with ported(self._projection):
            failures = await self._execute(batch)
            if failures:
                why = damage(self._keys, failures)
                await self._on_damage(self._keys.name, why)
                raise GenerationDamaged(why)

    async def _execute(self, batch: Batch) -> list[str]:
        """Say what failed: Redis applies the rest of a transaction when one of its commands fails."""
        owners = await self._owners(look_ups(batch.removals))
        replies = await self._redis.transact(
            *map(_command, writes(without_taken(batch, owners), self._keys)),
            ("PUBLISH", self._projection.announce, _announcement(self._keys.name, batch.checkpoint)),
        )
        return [str(reply) for reply in replies if isinstance(reply, Exception)]

    async def _owners(self, entries: Iterable[LookUp]) -> Mapping[LookUp, str | None]:
        if not (values := by_hash(entries)):
            return {}
        found = await self._fields({self._keys.look_up(by): names for by, names in values.items()})
        asked = [LookUp(by, name) for by, names in values.items() for name in names]
        pairs = zip(asked, chain.from_iterable(found), strict=True)
        return {entry: owner.decode() if owner else None for entry, owner in pairs}

    async def _fields(self, hashes: Mapping[str, Sequence[str]]) -> list[list[bytes | None]]:
        return await self._redis.ask(*(("HMGET", key, *names) for key, names in hashes.items()))


def _command(write: Write) -> Command:
    match write:
        case Put(key, fields):
            return ("HSET", key, *(part for field in fields.items() for part in field))
        case Remove(key, names):
            return ("HDEL", key, *names)
        case Enlist(key, entries):
            return ("ZADD", key, *(part for entry in entries for part in (0, entry)))
        case Strike(key, entries):
            return ("ZREM", key, *entries)
        case _:
            return ("SET", write.key, write.value)


def _announcement(generation: str, checkpoint: Checkpoint) -> bytes:
    return msgspec.json.encode(Announcement(generation, checkpoint.reached))
