"""Commands, projections and views together, beside a model of what they should do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from projector.adapters.memory import MemoryReadModel, MemoryStore
from projector.adapters.redis.client import connect
from projector.adapters.redis.read_model import RedisReadModel
from projector.ports import ReadModel
from projector.projection import Projection
from projector.services import PROJECTIONS
from read_side.adapters.memory import MemoryActivityViews, MemoryGroupViews, MemoryProfileViews, MemoryStatsViews
from read_side.adapters.redis import (
    RedisActivityViews,
    RedisGroupViews,
    RedisProfileViews,
    RedisStatsViews,
    connector,
)
from read_side.freshness import Freshness
from read_side.views import (
    ActivityViews,
    GroupQuery,
    GroupViews,
    MemberQuery,
    ProfileQuery,
    ProfileViews,
    StatsViews,
)
from shared.event_log import RecordedEvent
from shared.records import (
    ActivityRecord,
    GroupRecord,
    Membership,
    Person,
    Pointer,
    ProfileRecord,
    Sealed,
    StatsRecord,
    unseal,
)
from tests.support.folding import begin, fold_next, held
from tests.support.plain_directory import Directory, ModelGroup, ModelPerson, Refused
from tests.support.random_deeds import ROLES, TAGS, Deed, slug_of
from tests.support.write_side import WriteSide, memory_write_side, postgres_write_side

WORDS = ("a", "and", "andre", "car", "s", "senat", "z", "re", "on", "nobody")
STATUSES = (("active",), ("suspended",), ("closed",), ("active", "suspended", "closed"))
ORDERS = ("display_name", "handle", "created_at", "updated_at")
_COUNT = "member_count"
GROUP_ORDERS = ("name", "slug", "created_at", "updated_at", "member_count")
_runs = count(1)


class Views(NamedTuple):
    """The views of all projections."""

    profiles: ProfileViews
    groups: GroupViews
    activity: ActivityViews
    stats: StatsViews


@dataclass
class Store:
    """The read models of all projections, and the views on them."""

    models: dict[str, ReadModel]
    views: Callable[[], Awaitable["Views"]]


@dataclass
class Whole:
    """The implementation beside the model."""

    write_side: WriteSide
    store: Store
    model: Directory
    number: int = field(default_factory=lambda: next(_runs))
    log: list[RecordedEvent] = field(default_factory=list)
    _seen: int | None = None
    _is_live: bool = False

    async def carry_out(self, deed: Deed) -> None:
        """Do it on both sides: they do it, or refuse it for the same reason."""
        if self._seen is None:
            self._seen = await self._head()
        self.model.now = self.write_side.clock.now()
        try:
            deed.expected(self.model)
            expected: tuple[str | None, ...] = (None,)
        except Refused as refused:
            expected = refused.args
        try:
            await self.write_side.run(deed.command, **deed.fields)
            found = None
        except Exception as error:  # noqa: BLE001 - its name is compared
            found = type(error).__name__
        assert found in expected, deed

    async def project(self, *, size: int, sweep: int) -> None:
        """Let each projection take a few events, and a step of a sweep."""
        await self._read()
        for projection in PROJECTIONS:
            await self._fold(projection, size=size, sweep=sweep)

    async def finish(self) -> None:
        """Let each projection catch up, and readers see it."""
        await self._read()
        for projection in PROJECTIONS:
            while await self._fold(projection, size=50, sweep=2):
                pass
            model = self.store.models[projection.name]
            if not self._is_live:
                checkpoint = (await model.survey()).checkpoint
                await model.go_live(Pointer("g1", projection.version), expected=checkpoint)
        self._is_live = True

    async def _fold(self, projection: Projection, *, size: int, sweep: int) -> bool:
        model = self.store.models[projection.name]
        if (await model.survey()).fed is None:
            await begin(model, projection)
        return await fold_next(model, self.log, size=size, projection=projection, sweep=sweep)

    async def _read(self) -> None:
        """Take what has been appended since the run began."""
        after = self.log[-1].position if self.log else self._seen or 0
        self.log += await self.write_side.events_after(after)

    async def _head(self) -> int:
        async with self.write_side.log.connect() as reader:
            return await reader.head()

    async def compare_lists(self, random: Random, *, count: int) -> None:
        """Walk through some lists of people, page by page."""
        views = await self.store.views()
        for _ in range(count):
            question = self._question(random)
            query = ProfileQuery(**question, limit=random.randint(1, 4))
            expected = self.model.listed(**question)
            assert expected == await _walk(views.profiles, query), question

    async def compare_everything(self) -> None:
        views = await self.store.views()
        assert self.model.stats() == _decoded((await views.stats.read()).document) or not self.log
        for person in self.model.people.values():
            await self._compare_person(person, views)
        for group in self.model.groups.values():
            await self._compare_group(group, views)
        for order in GROUP_ORDERS:
            for descending in (False, True):
                query = GroupQuery(order=order, descending=descending, limit=2)
                assert self.model.groups_listed(order, descending=descending) == await _walk(views.groups, query)

    def _question(self, random: Random) -> dict[str, Any]:
        words = tuple(sorted(set(random.sample(WORDS, random.choice((0, 0, 1, 1, 2))))))
        return {
            "statuses": random.choice(STATUSES),
            "group": random.choice((None, None, slug_of(random, self.number))),
            "tags": tuple(sorted(random.sample(TAGS, random.choice((0, 0, 1, 2))))),
            "words": words,
            "order": random.choice((None, *ORDERS)) if words else random.choice(ORDERS),
            "descending": random.random() < 0.5,
        }

    async def _compare_person(self, person: ModelPerson, views: Views) -> None:
        answers = [
            await views.profiles.by_id(str(person.account_id)),
            await views.profiles.by_handle(person.handle.upper()),
            await views.profiles.by_email(person.email.upper()),
        ]
        assert [_shown(person, self.model)] * 3 == [_told(_decoded(each.document)) for each in answers]
        activity = await views.activity.of(str(person.account_id), limit=200)
        happened = [_decoded(each)["type"] for each in activity.documents or ()]
        assert person.happened[::-1] == happened

    async def _compare_group(self, group: ModelGroup, views: Views) -> None:
        expected = {name: getattr(group, name) for name in ("slug", "name", "description", "version")}
        for ref in (group.slug, str(group.group_id)):
            told = _decoded((await views.groups.get(ref)).document)
            assert {**expected, "member_count": len(group.roles)} == {
                name: told[name] for name in (*expected, "member_count")
            }
        for role in (None, *ROLES):
            cards = [self._card(each, group) for each in group.roles if role in {None, group.roles[each]}]
            assert cards == await self._members(group, role, views)
        for person in self.model.people.values():
            answer = await views.groups.member(group.slug, str(person.account_id))
            assert (person.account_id in group.roles, True) == (answer.document is not None, answer.group_exists)

    def _card(self, account_id: UUID, group: ModelGroup) -> dict[str, str]:
        person = self.model.people[account_id]
        shown = {name: getattr(person, name) for name in ("handle", "display_name", "status")}
        return {"account_id": str(account_id), **shown, "role": group.roles[account_id]}

    async def _members(self, group: ModelGroup, role: str | None, views: Views) -> list[dict[str, str]]:
        cards, after = [], None
        while True:
            page = await views.groups.members(group.slug, MemberQuery(role=role, limit=2, after=after))
            cards += [_decoded(each) for each in page.documents or ()]
            if (after := page.after) is None:
                return [{name: value for name, value in each.items() if name != "since"} for each in cards]


async def _walk(views: Any, query: Any) -> list[UUID]:
    found: list[UUID] = []
    while len(found) < 1000:  # a walk that does not end has failed
        page = await views.list(query)
        found += [UUID(_decoded(each).get("account_id") or _decoded(each)["group_id"]) for each in page.documents]
        if page.after is None:
            break
        query = msgspec.structs.replace(query, after=page.after)
    return found


def _decoded(document: Sealed | None) -> Any:
    return msgspec.json.decode(document.body) if document else None


def _shown(person: ModelPerson, model: Directory) -> dict[str, Any]:
    names = ("handle", "email", "display_name", "title", "status", "version", "profile_version")
    groups = [model.groups[each] for each in person.groups]
    return {
        "account_id": str(person.account_id),
        **{name: getattr(person, name) for name in names},
        "tags": list(person.tags),
        "groups": [(each.slug, each.name, each.roles[person.account_id]) for each in groups],
    }


def _told(record: dict[str, Any]) -> dict[str, Any]:
    names = ("account_id", "handle", "email", "display_name", "title", "status", "version", "profile_version", "tags")
    groups = [(each["slug"], each["name"], each["role"]) for each in record["groups"]]
    return {**{name: record[name] for name in names}, "groups": groups}


@asynccontextmanager
async def memory_backend() -> AsyncIterator[tuple[WriteSide, Store]]:
    """Everything in memory; the views are given what the projections hold."""
    store = MemoryStore()
    models = {each.name: MemoryReadModel(store, projection=each.name) for each in PROJECTIONS}

    async def views() -> Views:
        return _filled({each.name: held(store.content, each) for each in PROJECTIONS})

    yield memory_write_side(), Store(models, views)


def _filled(content: dict[str, Any]) -> Views:
    views = Views(*(kind(freshness=Freshness(patience=1)) for kind in _MEMORY_VIEWS))
    memberships = {
        tuple(map(UUID, pair.split(":"))): record
        for pair, record in _records(content["groups"], "membership", Membership).items()
    }
    groups, people = _records(content["groups"], "group", GroupRecord), _records(content["groups"], "person", Person)
    happened = _records(content["activity"], "activity", ActivityRecord).values()
    stats = _records(content["stats"], "stats", StatsRecord).get("directory", StatsRecord())
    views.profiles.commit(*_records(content["profiles"], "profile", ProfileRecord).values(), position=1)
    views.groups.commit(*groups.values(), people=people.values(), memberships=memberships, position=1)
    views.activity.commit(*((each.account_id, each) for each in happened), position=1)
    views.stats.commit(stats, position=1)
    return views


_MEMORY_VIEWS = (MemoryProfileViews, MemoryGroupViews, MemoryActivityViews, MemoryStatsViews)
_REDIS_VIEWS = (RedisProfileViews, RedisGroupViews, RedisActivityViews, RedisStatsViews)


def _records(content: Any, kind: str, record: type[Any]) -> dict[str, Any]:
    envelopes = content.get(f"{kind}:full", {}).items()
    return {name: msgspec.json.decode(unseal(envelope).body, type=record) for name, envelope in envelopes}


@asynccontextmanager
async def real_backend(database_url: str, redis_url: str) -> AsyncIterator[tuple[WriteSide, Store]]:
    """PostgreSQL and Redis, the latter emptied first; views are opened when they are first asked."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(redis_url))
        await Redis.flushall(client)
        opened: list[Views] = []

        async def views() -> Views:
            if not opened:
                made = [kind(connector(redis_url), freshness=Freshness(patience=5)) for kind in _REDIS_VIEWS]
                opened.append(Views(*[await stack.enter_async_context(each) for each in made]))
            return opened[0]

        write_side = await stack.enter_async_context(postgres_write_side(database_url))
        yield (
            write_side,
            Store({each.name: RedisReadModel(client, projection=each.name) for each in PROJECTIONS}, views),
        )
