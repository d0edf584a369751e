"""A projection's generations in Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from projector.adapters.redis.client import multi, ported
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
            async with self._client.pipeline() as pipe:
                await pipe.watch(self._keys.live, self._keys.filling)
                await self._require_nothing_to_feed()
                multi(pipe)
                pipe.set(self._keys.generation(pointer.generation).checkpoint, msgspec.json.encode(Checkpoint()))
                pipe.set(self._keys.filling, msgspec.json.encode(pointer))
                await pipe.execute()

    @asynccontextmanager
    async def commit(self, generation: str, *, expected: Checkpoint) -> AsyncIterator["RedisCommit"]:
        keys = self._keys.generation(generation)
        with ported(self._keys):
            async with self._client.pipeline() as pipe:
                await self._require(pipe, generation, expected)
                still = partial(self._require, pipe, generation, expected)
                yield RedisCommit(pipe, keys, require_expected=still, on_damage=self._damaged)

    async def go_live(self, pointer: Pointer, *, expected: Checkpoint) -> None:
        with ported(self._keys):
            async with self._client.pipeline() as pipe:
                survey = await self._require(pipe, pointer.generation, expected)
                if survey.filling != pointer:
                    raise Superseded(f"generation {pointer.generation} is not being filled")
                multi(pipe)
                pipe.set(self._keys.live, msgspec.json.encode(pointer))
                pipe.delete(self._keys.filling)
                pipe.publish(self._keys.announce, _announcement(pointer.generation, expected))
                await pipe.execute()

    async def _require(self, pipe: Pipeline, generation: str, expected: Checkpoint) -> Survey:
        """Watch everything a commit relies on, then make sure that it is so."""
        keys = self._keys.generation(generation)
        watched = (self._keys.live, self._keys.filling, keys.checkpoint, keys.damaged)
        await pipe.watch(*watched)
        survey = self._survey(await pipe.mget(*watched))
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
        pipe: Pipeline,
        keys: GenerationKeys,
        *,
        require_expected: Callable[[], Awaitable[Survey]],
        on_damage: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._pipe = pipe
        self._keys = keys
        self._projection = ProjectionKeys(keys.projection)
        self._require_expected = require_expected
        self._on_damage = on_damage

    async def fetch(self, keys: Collection[Key]) -> Mapping[Key, bytes | None]:
        envelopes: dict[Key, bytes | None] = {}
        for kind in dict.fromkeys(key.kind for key in keys):
            wanted = [key for key in keys if key.kind == kind]
            with ported(self._projection):
                values = await _fields(self._pipe, self._keys.documents(kind, "full"), [key.id for key in wanted])
            envelopes.update(zip(wanted, values, strict=True))
        return envelopes

    async def entries(self, by: str, *, prefix: bytes, after: bytes | None, limit: int) -> Sequence[bytes]:
        first = b"[" + prefix if after is None else b"(" + after
        last = b"(" + end_of(prefix)
        key = self._keys.listing(by)
        with ported(self._projection):
            entries: Any = await self._pipe.execute_command("ZRANGE", key, first, last, "BYLEX", "LIMIT", 0, limit)
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
        multi(self._pipe)
        for write in writes(without_taken(batch, owners), self._keys):
            _queue(self._pipe, write)
        self._pipe.publish(self._projection.announce, _announcement(self._keys.name, batch.checkpoint))
        replies = await self._pipe.execute(raise_on_error=False)
        return [str(reply) for reply in replies if isinstance(reply, Exception)]

    async def _owners(self, entries: Iterable[LookUp]) -> Mapping[LookUp, str | None]:
        owners: dict[LookUp, str | None] = {}
        for by, values in by_hash(entries).items():
            found = await _fields(self._pipe, self._keys.look_up(by), values)
            pairs = zip(values, found, strict=True)
            owners.update({LookUp(by, value): owner.decode() if owner else None for value, owner in pairs})
        return owners


async def _fields(pipe: Pipeline, key: str, names: list[str]) -> list[bytes | None]:
    values: list[Any] = await pipe.hmget(key, names)
    return values


def _queue(pipe: Pipeline, write: Write) -> None:
    match write:
        case Put(key, fields):
            pipe.hset(key, items=[part for field in fields.items() for part in field])
        case Remove(key, names):
            pipe.hdel(key, *names)
        case Enlist(key, entries):
            pipe.execute_command("ZADD", key, *chain.from_iterable((0, entry) for entry in entries))
        case Strike(key, entries):
            pipe.execute_command("ZREM", key, *entries)
        case _:
            pipe.set(write.key, write.value)


def _announcement(generation: str, checkpoint: Checkpoint) -> bytes:
    return msgspec.json.encode(Announcement(generation, checkpoint.reached))
