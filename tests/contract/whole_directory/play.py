"""
A directory's life played on the real thing: commands are answered and events projected, beside the model.

It is played with everything in memory, or on PostgreSQL and Valkey.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import UUID

import httpx
import msgspec
import psycopg
from redis.asyncio import Redis

from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.adapters.redis import commit
from projector.adapters.redis.read_model import RedisReadModel
from projector.declaring.projection import Projection
from projector.projections.registry import PROJECTIONS
from projector.store.errors import Superseded
from projector.store.ports import ReadModel
from projector.store.writes import writes
from read_side.http.app import read_api
from read_side.services import memory_views, redis_views, register_views
from shared.auth.setup import admit_everyone
from shared.errors import Unavailable
from shared.event_log import RecordedEvent
from shared.events import AccountErased
from shared.read_model.activity import AccountActivity, unpacked
from shared.read_model.envelope import unseal
from shared.read_model.keys import HOME
from shared.read_model.records import GroupRecord, MembershipRecord, Person, ProfileRecord, StatsRecord
from shared.redis.client import connect
from tests.contract.whole_directory.directory_lives import NOBODY, Again, Commands, Feed, Nth, Sent
from tests.support.apps import app_client
from tests.support.databases import EMPTY
from tests.support.directory_model import INVALID, Done, Refused, Timeline, Verdict, verdict, version_of
from tests.support.folding import begin, fold_next, go_live, held
from tests.support.patience import patient_connector
from tests.support.write_side import WriteSide, memory_write_side, postgres_write_side
from write_side.execution.refusals import REFUSED, refusal_of
from write_side.ports import Answer

PATIENCE = 5.0
"""Seconds; nobody should have to wait."""
BY_NAME: Mapping[str, Projection] = {each.name: each for each in PROJECTIONS}


class MemoryStage:
    """All adapters are those in memory; the views are given what is projected."""

    def __init__(self, read: httpx.AsyncClient, views: Mapping[str, Any]) -> None:
        self.read = read
        self._views = views
        self.write_side: WriteSide = memory_write_side()
        self._store = MemoryStore()
        self.models: Mapping[str, ReadModel] = {}

    async def clear(self) -> None:
        """Have nothing happened."""
        self.write_side, self._store = memory_write_side(), MemoryStore()
        self.models = {each.name: MemoryReadModel(self._store, projection=each) for each in PROJECTIONS}
        await _go_live(self.models)
        await self.show()

    async def fold(
        self, projection: str, log: Sequence[RecordedEvent], *, size: int, fan_out: int, torn_after: int | None
    ) -> bool:
        """Fold a batch and a step of a fan-out; False if there was neither. A torn commit stays as it is torn."""
        self._store.torn_after = torn_after
        try:
            return await _fold(self.models[projection], projection, log, size=size, fan_out=fan_out)
        except Unavailable:
            return True
        finally:
            self._store.torn_after = None

    async def show(self) -> None:
        """Have the views answer what is projected."""
        for projection in PROJECTIONS:
            views = self._views[projection.name]
            views.forget()
            position = (await self.models[projection.name].survey()).checkpoint.reached
            _commit(views, projection.name, held(self._store.content, projection), position)


def _records(held: Mapping[str, Any], kind: str, record: type[Any]) -> dict[str, Any]:
    documents = held.get(f"{kind}:full", {})
    return {id_: msgspec.json.decode(unseal(each).body, type=record) for id_, each in documents.items()}


def _commit(views: Any, projection: str, held: Mapping[str, Any], position: int) -> None:
    match projection:
        case "profiles":
            views.commit(*_records(held, "profile", ProfileRecord).values(), position=position)
        case "groups":
            memberships = _records(held, "membership", MembershipRecord)
            views.commit(
                *_records(held, "group", GroupRecord).values(),
                people=_records(held, "person", Person).values(),
                memberships={(UUID(both[:36]), UUID(both[37:])): each for both, each in memberships.items()},
                position=position,
            )
        case "activity":
            of = {UUID(id_): each.items for id_, each in _records(held, "activity", AccountActivity).items()}
            happened = [(id_, unpacked(item).record(id_)) for id_, items in of.items() for item in items]
            views.commit(*happened, position=position)
        case "stats":
            views.commit(_records(held, "stats", StatsRecord).get("directory", StatsRecord()), position=position)


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
            connection.execute(EMPTY)  # positions go on, as everywhere
        await self._redis.flushall()
        await _go_live(self.models)

    async def fold(
        self, projection: str, log: Sequence[RecordedEvent], *, size: int, fan_out: int, torn_after: int | None
    ) -> bool:
        if torn_after is None:
            return await _fold(self.models[projection], projection, log, size=size, fan_out=fan_out)
        # As a server that kept only the first commands of a commit, and was started again.
        with (
            patch.object(commit, "writes", lambda batch, keys: islice(writes(batch, keys), torn_after)),
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
    views = redis_views(patient_connector(redis_url), patience=PATIENCE)
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

    async with app_client(read_api, admit_everyone, register) as client:
        yield client


KEPT = timedelta(hours=20)
"""How long a key is relied on; Muster keeps it for a day."""


class Kept(NamedTuple):
    """A command that was carried out under a key, and how it was answered."""

    name: str
    fields: Mapping[str, Any]
    key: str
    answer: Answer
    at: datetime


@dataclass
class Play:
    """
    One life on one stage.

    Fails as soon as a command is answered as the model says that it is not.
    """

    stage: MemoryStage | RealStage
    timeline: Timeline = field(default_factory=Timeline)
    log: list[RecordedEvent] = field(default_factory=list)
    torn: dict[str, int] = field(default_factory=dict)
    """Up to where a projection has to come until its documents fit one another again."""
    _accounts: list[str] = field(default_factory=list)
    _groups: list[str] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)
    _kept: list[Kept] = field(default_factory=list)

    @property
    def head(self) -> int:
        return self.log[-1].position if self.log else 0

    async def send(self, step: Commands) -> None:
        for command in step.commands:
            if isinstance(command, Again):
                await self._send_again(command)
            else:
                await self._send(command)
        await self._read(await self.stage.write_side.events_after(self.head))
        self.stage.write_side.clock.advance(step.later)

    async def _read(self, new: Sequence[RecordedEvent]) -> None:
        """Take note of what was told, and of what was told before and is redacted now."""
        erased = [each.position for each in new if isinstance(each.event, AccountErased)]
        self.log = await self.stage.write_side.events() if erased else [*self.log, *new]
        # Until then what is projected of a person may be older than what a redacted event has told.
        self.torn |= {name: max([self.torn.get(name, 0), *erased]) for name in self.stage.models if erased}

    async def _send(self, sent: Sent) -> None:
        fields = self.resolved(sent.fields)
        expected = self._expected(sent, fields)
        key = f"key-{len(self._kept)}-{len(self.log)}" if sent.is_keyed else None
        at = self.stage.write_side.clock.now()
        now = self.timeline.now
        due = INVALID if sent.is_malformed else verdict(now, sent.name, fields, at=at, expected=expected)
        answer = await self._answered(due, sent.name, fields, key=key, expected=expected)
        if isinstance(due, Done) and isinstance(answer, Answer):
            self._carried_out(sent.name, due, answer)
            self._kept += [Kept(sent.name, fields, key, answer, at)] if key else []

    async def _send_again(self, again: Again) -> None:
        kept = [each for each in self._kept if self.stage.write_side.clock.now() - each.at < KEPT]
        if not kept:
            return
        name, fields, key, first, _ = kept[again.number % len(kept)]
        if again.other:
            await self._answered(Refused({"idempotency-mismatch"}), "close-account", {"account": NOBODY}, key=key)
            return
        answer = await self.stage.write_side.run(name, key=key, **fields)
        assert (answer.outcome, answer.replayed) == (first.outcome, True)

    async def _answered(
        self, due: Verdict, name: str, fields: Mapping[str, Any], *, key: str | None, expected: int | None = None
    ) -> Answer | str:
        """The answer, or the problem that it is refused with; either is what was due."""
        try:
            answer = await self.stage.write_side.run(name, key=key, expected=expected, **fields)
        except REFUSED as refusal:
            problem = refusal_of(refusal).problem.name
        except msgspec.ValidationError:
            problem = "invalid"
        else:
            assert isinstance(due, Done), (name, fields, due, answer)
            return answer
        assert isinstance(due, Refused), (name, fields, due, problem)
        assert problem in due.problems, (name, fields)
        return problem

    def _carried_out(self, name: str, due: Done, answer: Answer) -> None:
        id_, version, position = str(answer.outcome.id), answer.outcome.version, answer.outcome.position
        assert (due.id or id_, due.version) == (id_, version), name
        if due.id is None:
            assert id_ not in self._ids, "an id was used again"
        states = due.then(id_)
        assert (position > self.timeline.head) == bool(states), "a position is new if something changes"
        self.timeline.go_on(states, position=position)
        self._know(name, id_)

    def _know(self, name: str, id_: str) -> None:
        self._ids.add(id_)
        match name:
            case "register-account":
                self._accounts.append(id_)
            case "create-group":
                self._groups.append(id_)

    def _expected(self, sent: Sent, fields: Mapping[str, Any]) -> int | None:
        version = None if sent.if_match is None else version_of(self.timeline.now, sent.name, fields)
        return version if version is None or sent.if_match else version + 1

    def resolved(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.id_of(value, name) if isinstance(value, Nth) else value for name, value in fields.items()}

    def id_of(self, nth: Nth, kind: str) -> str:
        """Of an account or a group."""
        ids = self._groups if kind.startswith("group") else self._accounts
        if not nth.ever:
            ids = [each for each in ids if each in self.timeline.now.accounts or each in self.timeline.now.groups]
        return ids[nth.number % len(ids)] if ids else NOBODY

    async def feed(self, step: Feed) -> None:
        for projection in step.projections:
            await self._fold(projection, step.size, step.fan_out, step.torn_after)
        await self.stage.show()

    async def _fold(self, projection: str, size: int, fan_out: int, torn_after: int | None) -> bool:
        checkpoint = (await self.stage.models[projection].survey()).checkpoint
        if torn_after is not None:
            following = [each.position for each in self.log if each.position > checkpoint.position][:size]
            self.torn[projection] = max([self.torn.get(projection, 0), *following])
        return await self.stage.fold(projection, self.log, size=size, fan_out=fan_out, torn_after=torn_after)

    async def reached(self, projection: str) -> int:
        return (await self.stage.models[projection].survey()).checkpoint.reached

    async def feed_all(self) -> None:
        for projection in self.stage.models:
            while await self._fold(projection, 100, 1000, None):
                pass
        await self.stage.show()
