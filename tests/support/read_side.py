"""People, and a projection to read them from."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from redis import Redis

from projector.folding.grouping import grouped
from projector.projections import activity, changes, groups, profiles, stats
from read_side.adapters.redis.transport.batcher import Reply
from read_side.adapters.redis.transport.reads import Field, Read
from read_side.adapters.redis.views.source import RedisViews
from read_side.views import Match, ProfileKeys, ProfileQuery, ProfileViews
from shared.read_model.activity import KEPT, AccountActivity, packed
from shared.read_model.changes import ChangeBlock, ChangeItem, block_at
from shared.read_model.keys import HOME
from shared.read_model.records import (
    ActivityRecord,
    GroupRecord,
    MembershipRecord,
    Person,
    ProfileGroup,
    ProfileRecord,
    StatsRecord,
)
from tests.support.collections import Collections, Records
from tests.support.patience import SECONDS, until_here

Record = TypeVar("Record", bound=msgspec.Struct)

KEYS = HOME.projection("profiles")
PATIENCE = 60.0
"""Seconds; a test that waits so long has failed."""

ADA = ProfileRecord(
    account_id=UUID("0198aaaa-0000-7000-8000-00000000000a"),
    handle="Ada",
    display_name="Ada Lovelace",
    given_name="Ada",
    family_name="Lovelace",
    title="Analyst",
    bio=None,
    email="Ada@Example.org",
    email_verified=True,
    status="active",
    locale="en-GB",
    time_zone="Europe/London",
    picture_url=None,
    links={"home": "https://ada.example"},
    tags=("mathematics",),
    attributes={"team": "engine"},
    external_id="books/notes:G",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 2, tzinfo=UTC),
    version=1,
    profile_version=1,
)


def person(number: int, **changes: Any) -> ProfileRecord:
    """Make a person: all their keys carry the number."""
    own = {
        "account_id": UUID(int=number),
        "handle": f"person{number}",
        "email": f"person{number}@example.org",
        "external_id": f"person:{number}",
    }
    return changed(ADA, **(own | changes))


def changed(record: Record, **changes: Any) -> Record:
    return msgspec.structs.replace(record, **changes)


BOB = person(0xB, handle="bob", email="bob@example.org", external_id=None)


def served(answer: Match) -> ProfileRecord | None:
    """Decode the record of an answer."""
    return answer.document and msgspec.json.decode(answer.document.body, type=ProfileRecord)


async def every_question(views: ProfileViews) -> list[Any]:
    """Ask everything that can be asked about Ada, and return what comes of it, errors too."""
    return await asyncio.gather(
        views.by_id(str(ADA.account_id)),
        views.by_handle("ada"),
        views.by_email("ada@example.org"),
        views.by_external_id("books/notes:G"),
        views.by_keys(ProfileKeys(ids=(str(ADA.account_id),), handles=("ada",))),
        views.by_keys(ProfileKeys()),
        views.list(ProfileQuery()),
        views.list(ProfileQuery(tags=("mathematics",), words=("ada",), order="handle", group="nobodys")),
        views.position(),
        return_exceptions=True,
    )


async def until_a_read_waits(views: ProfileViews) -> None:
    """Return once a reader can only be woken."""
    await until_here(lambda: views.freshness.waiting)


async def blocked_reader(
    views: Any, *, minimum: int, ask: Callable[[], Awaitable[Match]] | None = None
) -> asyncio.Task[Match]:
    """Start a reader, of Ada by default, and return it once it has seen that it must wait, and can only be woken."""
    reads: asyncio.Queue[Match] = asyncio.Queue()

    async def read() -> Match:
        answer = await (ask() if ask else views.by_id(str(ADA.account_id)))
        reads.put_nowait(answer)
        return answer

    reader = asyncio.create_task(views.freshness.reach(minimum, read))
    async with asyncio.timeout(SECONDS):
        for _ in range(2):  # one read for those who need not wait, one behind the registration
            await reads.get()
    return reader


class RedisProjection(Collections):
    """Stands for the projector of profiles: commits as it does, and does to Redis what it never would."""

    def __init__(self, client: Redis, *, generation: str = "g1") -> None:
        super().__init__(client, profiles.profiles, generation=generation)

    def commit(
        self, *records: ProfileRecord, position: int, announce: bool = True, fan_outs: Iterable[int] = ()
    ) -> None:
        """Store records as of a position in the live generation, each found by its present keys only."""
        self.save(_people(records), position=position, announce=announce, fan_outs=fan_outs)

    def prepare(self, *records: ProfileRecord, position: int) -> None:
        """Store records in a generation that is not live yet."""
        self.write(_people(records), position=position)

    def forget(self) -> None:
        self.client.flushall()

    @contextmanager
    def counting_trips(self) -> Iterator[Callable[[], int]]:
        """Count the transactions that the server executes from here on."""
        before = self._executed()
        yield lambda: self._executed() - before

    def _executed(self) -> int:
        calls: int = self.client.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]
        return calls


def _people(records: Iterable[ProfileRecord]) -> Records:
    """People, and the names of the groups to which they belong."""
    people = list(records)
    names = {profiles.GROUP.key(each.group_id): group_name(each) for record in people for each in record.groups}
    return names | {profiles.PROFILE.key(each.account_id): each for each in people}


def group_name(group: ProfileGroup) -> profiles.GroupName:
    """What the projection of profiles knows of a group."""
    return profiles.GroupName(group_id=group.group_id, slug=group.slug, name=group.name)


class RedisGroups(Collections):
    """Stands for the projector of groups: commits as `MemoryGroupViews` does."""

    def __init__(self, client: Redis, *, generation: str = "g1") -> None:
        super().__init__(client, groups.groups, generation=generation)
        self._memberships: set[tuple[UUID, UUID]] = set()

    def commit(
        self,
        *records: GroupRecord,
        people: Iterable[Person] = (),
        memberships: Mapping[tuple[UUID, UUID], MembershipRecord | None] | None = None,
        gone: Iterable[UUID] = (),
        position: int,
    ) -> None:
        changed = dict.fromkeys((each for each in self._memberships if each[0] in gone), None) | dict(memberships or {})
        self._memberships |= changed.keys()
        saved = {groups.GROUP.key(each.group_id): each for each in records}
        saved |= {groups.PERSON.key(each.account_id): each for each in people}
        ended = dict.fromkeys(map(groups.GROUP.key, gone), None)
        belong = {groups.MEMBERSHIP.key(f"{of}:{account}"): each for (of, account), each in changed.items()}
        self.save({**saved, **ended, **belong}, position=position)


class RedisActivity(Collections):
    """Stands for the projector of activity: commits as `MemoryActivityViews` does."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client, activity.activity)
        self._kept: dict[UUID, AccountActivity] = defaultdict(AccountActivity)

    def commit(self, *happened: tuple[UUID, ActivityRecord], position: int) -> None:
        for account_id, each in happened:
            self._kept[account_id] = self._kept[account_id].with_one_more(packed(each), kept=KEPT)
        changed = {activity.ACTIVITY.key(account_id): self._kept[account_id] for account_id, _ in happened}
        self.save(changed, position=position)


class RedisStats(Collections):
    """Stands for the projector of stats: commits as `MemoryStatsViews` does."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client, stats.stats)

    def commit(self, record: StatsRecord | None = None, *, position: int) -> None:
        self.save({stats.STATS.key("directory"): record} if record else {}, position=position)


class RedisChanges(Collections):
    """Stands for the projector of changes: commits as `MemoryChangeViews` does."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client, changes.changes)
        self._items: list[ChangeItem] = []

    def commit(self, *items: ChangeItem, position: int, trimmed: int = 0) -> None:
        self._items += items
        blocks = grouped((block_at(each.position), each) for each in self._items)
        kept = {changes.CHANGES.key(str(number)): ChangeBlock.of(own) for number, own in blocks.items()}
        self.save(kept, position=position, trimmed=trimmed)


@contextmanager
def between_trips(views: RedisViews, *actions: Callable[[], None] | None) -> Iterator[None]:
    """Do something before the second, third… question that goes to Redis."""
    left = [None, *actions]

    def after_action(ask: Any) -> Any:
        async def ask_after_action(*wants: Field, reads: Sequence[Read] = ()) -> Reply:
            if left and (action := left.pop(0)) is not None:
                action()
            return await ask(*wants, reads=reads)

        return ask_after_action

    asks = (views._look_up, views._look_list_up)
    views._look_up, views._look_list_up = map(after_action, asks)  # the only way to be in between for certain
    try:
        yield
    finally:
        views._look_up, views._look_list_up = asks
