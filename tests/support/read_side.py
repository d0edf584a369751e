"""People, and a projection to read them from."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from redis import Redis
from redis.client import Pipeline

from read_side.adapters.redis import RedisProfileViews
from read_side.adapters.redis.trips import Seen, Want
from read_side.views import Answer, ProfileKeys, ProfileViews
from shared.keys import ProjectionKeys
from shared.records import Announcement, Checkpoint, Pointer, ProfileRecord, PublicProfileRecord, seal
from shared.text import unique_email, unique_external_id, unique_handle

KEYS = ProjectionKeys("profiles")
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
    """Make somebody of his own: all his keys carry the number."""
    own = {
        "account_id": UUID(int=number),
        "handle": f"person{number}",
        "email": f"person{number}@example.org",
        "external_id": f"person:{number}",
    }
    return changed(ADA, **(own | changes))


def changed(record: ProfileRecord, **changes: Any) -> ProfileRecord:
    return msgspec.structs.replace(record, **changes)


BOB = person(0xB, handle="bob", email="bob@example.org", external_id=None)


def served(answer: Answer) -> ProfileRecord | None:
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
        views.position(),
        return_exceptions=True,
    )


async def until(holds: Callable[[], object]) -> None:
    """Let everybody else go on until something holds that nobody tells of."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - production tells nobody, and for a test alone it should not
            await asyncio.sleep(0)


async def until_somebody_waits(views: ProfileViews) -> None:
    """Return once a reader can only be woken."""
    await until(lambda: views.freshness.waiting)


async def blocked_reader(views: ProfileViews, *, minimum: int) -> asyncio.Task[Answer]:
    """Start a reader of Ada and return it once it has seen that it must wait, and can only be woken."""
    reads: asyncio.Queue[Answer] = asyncio.Queue()

    async def read() -> Answer:
        answer = await views.by_id(str(ADA.account_id))
        reads.put_nowait(answer)
        return answer

    reader = asyncio.create_task(views.freshness.reach(minimum, read))
    for _ in range(2):  # one read for those who need not wait, one behind the registration
        await reads.get()
    return reader


class RedisProjection:
    """Stands for the projector: commits as it does, and does to Redis what it never would."""

    def __init__(self, client: Redis, *, generation: str = "g1") -> None:
        self.client = client
        self.keys = KEYS.generation(generation)
        self._pointer = msgspec.json.encode(Pointer(generation, 1))
        self._look_ups: dict[UUID, list[tuple[str, str]]] = {}

    def commit(self, *records: ProfileRecord, position: int, announce: bool = True) -> None:
        """Store records as of a position in the live generation, each found by its present keys only."""
        with self.client.pipeline(transaction=True) as pipe:
            self._write(pipe, records, position)
            pipe.set(KEYS.live, self._pointer)
            if announce:
                pipe.publish(KEYS.announce, msgspec.json.encode(Announcement(self.keys.name, position)))
            pipe.execute()

    def prepare(self, *records: ProfileRecord, position: int) -> None:
        """Store records in a generation that is not live yet."""
        with self.client.pipeline(transaction=True) as pipe:
            self._write(pipe, records, position)
            pipe.execute()

    def go_live(self) -> None:
        """Have readers use this generation, without telling them."""
        self.client.set(KEYS.live, self._pointer)

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

    def _write(self, pipe: Pipeline, records: tuple[ProfileRecord, ...], position: int) -> None:
        for record in records:
            for by, value in self._look_ups.pop(record.account_id, ()):
                pipe.hdel(self.keys.look_up(by), value)
        for record in records:
            self._store(pipe, record, position)
        pipe.set(self.keys.checkpoint, msgspec.json.encode(Checkpoint(position=position, count=position)))

    def _store(self, pipe: Pipeline, record: ProfileRecord, position: int) -> None:
        account = str(record.account_id)
        self._look_ups[record.account_id] = list(_look_ups(record))
        for by, value in self._look_ups[record.account_id]:
            pipe.hset(self.keys.look_up(by), value, account)
        public = PublicProfileRecord(**{name: getattr(record, name) for name in PublicProfileRecord.__struct_fields__})
        for variant, document in (("public", public), ("full", record)):
            envelope = seal(position=position, body=msgspec.json.encode(document))
            pipe.hset(self.keys.documents("profile", variant), account, envelope)


def _look_ups(record: ProfileRecord) -> Iterator[tuple[str, str]]:
    yield "by-handle", unique_handle(record.handle)
    yield "by-email", unique_email(record.email)
    if record.external_id is not None:
        yield "by-external-id", unique_external_id(record.external_id)


@contextmanager
def between_trips(views: RedisProfileViews, *actions: Callable[[], None] | None) -> Iterator[None]:
    """Do something before the second, third… question that goes to Redis."""
    ask = views._trips.ask
    left = [None, *actions]

    async def ask_after_action(*wants: Want) -> Seen:
        if left and (action := left.pop(0)) is not None:
            action()
        return await ask(*wants)

    views._trips.ask = ask_after_action  # type: ignore[method-assign] # the only way to be in between for certain
    try:
        yield
    finally:
        del views._trips.ask
