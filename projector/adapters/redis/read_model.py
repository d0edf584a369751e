"""A projection's generations in Redis."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import Any

import msgspec
from redis.asyncio import Redis

from projector.adapters.redis.commit import RedisCommit
from projector.adapters.redis.documents import documents_at
from projector.adapters.redis.failures import ported
from projector.adapters.redis.server_check import OwnerCheck, ServerCheck
from projector.declaring.documents import Key
from projector.declaring.projection import Projection
from projector.folding.parking import NOTHING, Parking
from projector.store import codec
from projector.store.collections import collections_of
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.generations import Survey
from projector.store.hints import CLOSED
from projector.store.transitions import Transition, applied
from shared.errors import EvictionPossible, Unavailable
from shared.read_model.keys import GenerationKeys, Keyspace
from shared.read_model.positions import Checkpoint, Pointer
from shared.redis.pipelined import Command, PipelinedConnection, pipelined


class RedisReadModel:
    """Uses `client` for one projection; it must never send anything twice, see `client.connect`."""

    def __init__(
        self,
        client: Redis,
        *,
        projection: Projection,
        keyspace: Keyspace,
        server: ServerCheck | OwnerCheck | None = None,
    ) -> None:
        """:param server: shared by the projections of one server."""
        self._client = client
        self._keys = keyspace.projection(projection.name)
        self._collections = tuple(collections_of(projection))
        self._fed: list[str] = []
        """The generations that the last survey found: the next one asks for them in its only trip."""
        self._unmarked: dict[str, str] = {}
        self._server = server or ServerCheck(client)

    async def attest(self) -> None:
        with ported(self._keys):
            policy = await self._server.eviction_policy()
        if policy != "noeviction":
            raise EvictionPossible(
                f"projection {self._keys.projection}: Redis may evict documents, its maxmemory-policy is {policy};"
                " run `CONFIG SET maxmemory-policy noeviction`, and write it into Redis' configuration"
            )

    async def survey(self) -> Survey:
        with ported(self._keys):
            await self._mark_damaged()
            async with pipelined(self._client) as redis:
                return await self._survey(redis)

    async def transition(self, change: Transition) -> Survey:
        with ported(self._keys):
            async with pipelined(self._client) as redis:
                survey = await self._survey(redis, watch=True)
                if (after := applied(change, survey)) is None:
                    await redis.execute(("UNWATCH",))
                else:
                    skips = await self._skips(redis, survey)
                    await redis.transact(*self._steps(survey, after, skips), *self._announcing(redis, survey, after))
        return await self.survey()

    async def unlink(self, pointer: Pointer) -> None:
        keys = self._keys.generation(pointer.generation)
        with ported(self._keys):
            contents: Any = await self._client.get(keys.contents)
            await self._client.unlink(*codec.all_keys(keys, contents, known=self._collections))

    @asynccontextmanager
    async def commit(
        self, generation: str, *, expected: Checkpoint, documents: Collection[Key] = ()
    ) -> AsyncIterator[RedisCommit]:
        keys = self._keys.generation(generation)
        with ported(self._keys):
            async with pipelined(self._client) as redis:
                still = partial(self._require, redis, generation, expected)
                names, commands = documents_at(keys, documents)
                parked = [("HKEYS", keys.parked), ("HVALS", keys.parked)] if expected.parked else []
                replies = await still(*parked, *commands)
                commit = RedisCommit(
                    redis,
                    keys,
                    self._collections,
                    parked={name.decode(): value for name, value in zip(*replies[: len(parked)], strict=True)},
                    fetched=dict(zip(names, chain.from_iterable(replies[len(parked) :]), strict=True)),
                    require_expected=still,
                    on_damage=self._damaged,
                )
                try:
                    yield commit
                except Unavailable as error:
                    # By the time we look, the disk may have room again.
                    if "MISCONF" in str(error):
                        self._server.suspect_zeros()
                    raise
                if not commit.is_over:
                    await redis.execute(("UNWATCH",))  # or the next one on this connection would be refused

    async def _require(
        self, redis: PipelinedConnection, generation: str, expected: Checkpoint, *reads: Command
    ) -> list[Any]:
        """Watch everything a commit relies on, then make sure that it is so; return the replies to what is read too."""
        keys = self._keys.generation(generation)
        watched = (self._keys.live, self._keys.roster, keys.checkpoint, keys.damaged)
        _, (live, roster, *kept), *replies = await redis.execute(("WATCH", *watched), ("MGET", *watched), *reads)
        found = codec.generation(*kept, keys=self._keys)
        if found.damaged:
            raise GenerationDamaged(found.damaged)
        survey = codec.survey(live, roster, keys=self._keys)
        if generation not in {each.generation for each in survey.fed}:
            raise Superseded(f"generation {generation} is not fed any more")
        if survey.access == "closed":
            raise Superseded(CLOSED)
        if found.checkpoint != expected:
            raise Superseded(f"the checkpoint of generation {generation} was moved by another writer")
        return replies

    async def _survey(self, redis: PipelinedConnection, *, watch: bool = False) -> Survey:
        while True:
            asked = self._fed
            survey = await self._read(redis, asked, watch=watch)
            self._fed = [each.generation for each in survey.fed]
            if self._fed == asked:
                return survey

    async def _read(self, redis: PipelinedConnection, names: Sequence[str], *, watch: bool) -> Survey:
        """Read what there is, with the states of the generations that are named."""
        keys = [self._keys.generation(name) for name in names]
        of_each = [key for each in keys for key in (each.checkpoint, each.damaged)]
        read = (self._keys.live, self._keys.roster, *of_each)
        watching: list[Command] = [("WATCH", *read)] if watch else []
        *_, (live, roster, *values) = await redis.execute(*watching, ("MGET", *read))
        pairs = zip(names, values[::2], values[1::2], strict=True)
        generations = {name: codec.generation(*pair, keys=self._keys) for name, *pair in pairs}
        return codec.survey(live, roster, keys=self._keys)._replace(generations=generations)

    async def _skips(self, redis: PipelinedConnection, survey: Survey) -> Parking:
        """Return the skips that a new generation inherits; they only change with the checkpoint, which is watched."""
        if survey.live is None:
            return NOTHING
        key = self._keys.generation(survey.live.generation).parked
        names, values = await redis.execute(("HKEYS", key), ("HVALS", key))
        known = {name.decode(): value for name, value in zip(names, values, strict=True)}
        return codec.inherited(survey.at(survey.live).checkpoint, known, keys=self._keys)

    def _steps(self, survey: Survey, after: Survey, skips: Parking) -> Iterator[Command]:
        """The pointer comes before the roster, which tells what it replaced: see `projector.store.transitions`."""
        for pointer in after.fed:
            if pointer not in survey.fed:
                yield from self._beginning(self._keys.generation(pointer.generation), skips)
        if stored := codec.stored_live(survey, after):
            yield ("SET", self._keys.live, stored)
        if after.live and (checkpoint := codec.closing(survey, after)):
            yield ("SET", self._keys.generation(after.live.generation).checkpoint, checkpoint)
        yield ("SET", self._keys.roster, msgspec.json.encode(after.roster))

    def _announcing(self, redis: PipelinedConnection, survey: Survey, after: Survey) -> Iterator[Command]:
        if told := codec.announced(survey, after):
            yield (redis.publish, self._keys.announce, msgspec.json.encode(told))

    def _beginning(self, keys: GenerationKeys, skips: Parking) -> Iterator[Command]:
        checkpoint, parked = codec.begun(skips)
        yield ("SET", keys.contents, codec.contents(keys, self._collections))
        yield from (("HSET", keys.parked, name, value) for name, value in parked.items())
        yield ("SET", keys.checkpoint, msgspec.json.encode(checkpoint))

    async def _damaged(self, generation: str, why: str) -> None:
        self._unmarked[generation] = why
        await self._mark_damaged()

    async def _mark_damaged(self) -> None:
        """Write down what is damaged; where the connection was lost over it, before anything else is done."""
        for generation, why in list(self._unmarked.items()):
            await self._client.set(self._keys.generation(generation).damaged, why)
            del self._unmarked[generation]
