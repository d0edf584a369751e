"""What a directory's life is played on: everything in memory, or PostgreSQL and Valkey."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
import msgspec
import psycopg
from redis.asyncio import Redis

from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.adapters.redis import read_model
from projector.adapters.redis.read_model import RedisReadModel
from projector.folding.projection import Projection
from projector.projections.registry import PROJECTIONS
from projector.store.errors import Superseded
from projector.store.ports import ReadModel
from projector.store.writes import writes
from read_side.adapters.memory.activity import MemoryActivityViews
from read_side.adapters.memory.groups import MemoryGroupViews
from read_side.adapters.memory.profiles import MemoryProfileViews
from read_side.adapters.memory.stats import MemoryStatsViews
from read_side.http.app import read_api
from read_side.services import memory_views, redis_views, register_views
from read_side.views import ActivityViews, GroupViews, ProfileViews, StatsViews
from shared.auth.setup import admit_everyone
from shared.errors import Unavailable
from shared.event_log import RecordedEvent
from shared.http.in_process import in_process
from shared.read_model.envelope import unseal
from shared.read_model.keys import HOME
from shared.read_model.records import (
    ActivityRecord,
    GroupRecord,
    Membership,
    Person,
    ProfileRecord,
    StatsRecord,
)
from shared.redis.client import connect, connector
from tests.support.folding import begin, fold_next, go_live, held
from tests.support.write_side import WriteSide, memory_write_side, postgres_write_side

PATIENCE = 5.0
"""Seconds; nobody should have to wait."""
BY_NAME: Mapping[str, Projection] = {each.name: each for each in PROJECTIONS}
PORTS: Mapping[str, type[Any]] = {
    "profiles": ProfileViews,
    "groups": GroupViews,
    "activity": ActivityViews,
    "stats": StatsViews,
}


class MemoryStage:
    """All adapters are those in memory; the views are given what is projected."""

    def __init__(self, read: httpx.AsyncClient, views: Mapping[str, Any]) -> None:
        self.read = read
        self._views = views
        self.write_side: WriteSide = memory_write_side()
        self._store = MemoryStore()
        self.models: Mapping[str, ReadModel] = {}

    async def clear(self) -> None:
        self.write_side, self._store = memory_write_side(), MemoryStore()
        self.models = {each.name: MemoryReadModel(self._store, projection=each) for each in PROJECTIONS}
        await _go_live(self.models)
        await self.show()

    async def fold(
        self, projection: str, log: Sequence[RecordedEvent], *, size: int, fan_out: int, torn_after: int | None
    ) -> bool:
        self._store.torn_after = torn_after
        try:
            return await _fold(self.models[projection], projection, log, size=size, fan_out=fan_out)
        except Unavailable:
            return True
        finally:
            self._store.torn_after = None

    async def show(self) -> None:
        for projection in PROJECTIONS:
            views = self._views[projection.name]
            views.forget()
            position = (await self.models[projection.name].survey()).checkpoint.reached
            _COMMITS[projection.name](views, held(self._store.content, projection), position)


def _records(held: Mapping[str, Any], kind: str, record: type[Any]) -> dict[str, Any]:
    documents = held.get(f"{kind}:full", {})
    return {id_: msgspec.json.decode(unseal(each).body, type=record) for id_, each in documents.items()}


def _commit_profiles(views: MemoryProfileViews, held: Mapping[str, Any], position: int) -> None:
    views.commit(*_records(held, "profile", ProfileRecord).values(), position=position)


def _commit_groups(views: MemoryGroupViews, held: Mapping[str, Any], position: int) -> None:
    memberships = _records(held, "membership", Membership)
    views.commit(
        *_records(held, "group", GroupRecord).values(),
        people=_records(held, "person", Person).values(),
        memberships={(UUID(both[:36]), UUID(both[37:])): each for both, each in memberships.items()},
        position=position,
    )


def _commit_activity(views: MemoryActivityViews, held: Mapping[str, Any], position: int) -> None:
    happened = _records(held, "activity", ActivityRecord).values()
    views.commit(*((each.account_id, each) for each in happened), position=position)


def _commit_stats(views: MemoryStatsViews, held: Mapping[str, Any], position: int) -> None:
    views.commit(_records(held, "stats", StatsRecord).get("directory", StatsRecord()), position=position)


_COMMITS = {
    "profiles": _commit_profiles,
    "groups": _commit_groups,
    "activity": _commit_activity,
    "stats": _commit_stats,
}


_EMPTY = """
    alter table event_log disable trigger event_log_is_not_truncated;
    truncate accounts, profiles, groups, memberships, event_log, command_log;
    alter table event_log enable always trigger event_log_is_not_truncated
"""
"""Positions go on, as everywhere."""


class RealStage:
    """One database and one server of their own, emptied for each life."""

    def __init__(self, write_side: WriteSide, read: httpx.AsyncClient, *, database_url: str, redis: Redis) -> None:
        self.write_side = write_side
        self.read = read
        self._database_url = database_url
        self._redis = redis
        self.models: Mapping[str, ReadModel] = {
            each.name: RedisReadModel(redis, projection=each, keyspace=HOME) for each in PROJECTIONS
        }

    async def clear(self) -> None:
        with psycopg.connect(self._database_url) as connection:
            connection.execute(_EMPTY)
        await self._redis.flushall()
        await _go_live(self.models)

    async def fold(
        self, projection: str, log: Sequence[RecordedEvent], *, size: int, fan_out: int, torn_after: int | None
    ) -> bool:
        if torn_after is None:
            return await _fold(self.models[projection], projection, log, size=size, fan_out=fan_out)
        # As a server that kept only the first commands of a commit, and was started again.
        with (
            patch.object(read_model, "writes", lambda batch, keys: islice(writes(batch, keys), torn_after)),
            suppress(Superseded),  # a step of a fan-out that follows finds the checkpoint where it was
        ):
            await _fold(self.models[projection], projection, log, size=size, fan_out=fan_out)
        return True

    async def show(self) -> None:
        """They read what is there."""


async def _go_live(models: Mapping[str, ReadModel]) -> None:
    for name, model in models.items():
        await begin(model, BY_NAME[name])
        await go_live(model, BY_NAME[name])


async def _fold(model: ReadModel, projection: str, log: Sequence[RecordedEvent], *, size: int, fan_out: int) -> bool:
    return await fold_next(model, log, size=size, projection=BY_NAME[projection], fan_out=fan_out)


@asynccontextmanager
async def memory_stage() -> AsyncIterator[MemoryStage]:
    views = memory_views(patience=PATIENCE)
    async with _reader(views) as read:
        yield MemoryStage(read, views)


@asynccontextmanager
async def real_stage(database_url: str, redis_url: str) -> AsyncIterator[RealStage]:
    views = redis_views(connector(redis_url), keyspace=HOME, patience=PATIENCE)
    async with (
        postgres_write_side(database_url) as write_side,
        connect(redis_url) as redis,
        _reader(views) as read,
    ):
        yield RealStage(write_side, read, database_url=database_url, redis=redis)


@asynccontextmanager
async def _reader(views: Mapping[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the read API on these views."""

    def register(registry: Any) -> None:
        register_views(registry, views)

    async with in_process(read_api(admit_everyone, register)) as client:
        yield client
