"""What must hold once a load has ended, whatever happened meanwhile: in the read API, in the log and in Redis."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import httpx
import msgspec
import psycopg
from redis import Redis

from shared.read_model.keys import HOME
from shared.read_model.positions import Checkpoint, Pointer
from tests.support.access import headers_for
from tests.support.load import Load, Person
from tests.support.patience import SECONDS
from tests.support.stack import Stack, until

AT_ONCE = 500
"""What one batch-get takes."""

KEYS = {"ids": "id", "handles": "handle", "emails": "email", "external_ids": "external_id"}

T = TypeVar("T")


async def assert_all_is_right(stack: Stack, load: Load) -> None:
    """Every accepted command is visible exactly once, every refused one not at all, and nothing else is there."""
    assert load.false == []
    await assert_people_are_found(stack.addresses.read, load.accepted, position=load.position)
    await assert_nobody_is_found(stack.addresses.read, load.refused, position=load.position)
    with stack.database() as database, stack.redis() as redis:
        assert_log_tells_each_once(database, load)
        await until(lambda: _has_caught_up(database, redis))
        assert_directory_is_what_the_log_tells(database, redis)


async def assert_people_are_found(read_url: str, people: Sequence[Person], *, position: int) -> None:
    """By each of their keys, and with all that was sent."""
    assert await people_not_shown(read_url, people, position=position) == []


async def people_not_shown(read_url: str, people: Sequence[Person], *, position: int) -> list[tuple[str, Person]]:
    """Who cannot be found by each of their keys with all that was sent, and by which not."""
    wrong = []
    for some in _parts(people):
        for keys, name in KEYS.items():
            wanted = {keys: [getattr(person, name) for person in some]}
            found = {record["account_id"]: record for record in await _batch(read_url, wanted, position)}
            wrong += [(keys, person) for person in some if not person.shows_in(found.get(person.id, {}))]
    return wrong


async def assert_nobody_is_found(read_url: str, handles: Sequence[str], *, position: int) -> None:
    """By any of these handles."""
    assert await people_found(read_url, handles, position=position) == []


async def people_found(read_url: str, handles: Sequence[str], *, position: int) -> list[dict[str, Any]]:
    """The records of those who have one of these handles."""
    return [record for some in _parts(handles) for record in await _batch(read_url, {"handles": some}, position)]


def assert_log_tells_each_once(database: psycopg.Connection, load: Load) -> None:
    """No version is missing or there twice, and there is nobody whose registration was not accepted."""
    assert gaps(database) == []
    expected = Counter(events_of(load))
    told = Counter(dict.fromkeys(expected, 0) | events_in(database))
    assert {key: told[key] for key in expected} == expected
    assert registered(database, load) == len(load.accepted)


def events_of(load: Load) -> dict[tuple[str, str], int]:
    """How many events the log must have of each aggregate."""
    accounts = {("account", person.id): person.version for person in load.accepted}
    return accounts | {("profile", person.id): person.profile_version for person in load.accepted}


def events_in(database: psycopg.Connection) -> dict[tuple[str, str], int]:
    rows = database.execute("select aggregate, aggregate_id::text, count(*) from event_log group by 1, 2").fetchall()
    return {(aggregate, id_): count for aggregate, id_, count in rows}


def gaps(database: psycopg.Connection) -> list[tuple[Any, ...]]:
    """The aggregates of which the log lacks a version, or has one twice."""
    return database.execute(
        "select aggregate, aggregate_id, count(*), min(version), max(version) from event_log group by 1, 2"
        " having (min(version), max(version)) <> (1, count(*)) or count(distinct version) <> count(*)"
    ).fetchall()


def registered(database: psycopg.Connection, load: Load) -> int:
    """How many accounts carry a name that only this load gives."""
    name = f"load:p{load.seed}.%"
    [(count,)] = database.execute("select count(*) from accounts where external_id like %s", (name,)).fetchall()
    return int(count)


def assert_directory_is_what_the_log_tells(database: psycopg.Connection, redis: Redis) -> None:
    """As many documents and unique entries as there are accounts, and a checkpoint that counts every event once."""
    [(accounts, external_ids)] = database.execute("select count(*), count(external_id) from accounts").fetchall()
    generation = HOME.projection("profiles").generation(_pointer(redis).generation)
    hashes = {
        generation.documents("profile", "full"): accounts,
        generation.documents("profile", "public"): accounts,
        generation.unique_entries("by-handle"): accounts,
        generation.unique_entries("by-email"): accounts,
        generation.unique_entries("by-external-id"): external_ids,
    }
    assert {key: redis.hlen(key) for key in hashes} == hashes
    [events] = database.execute("select count(*) from event_log").fetchall()
    assert (checkpoint(redis).count,) == events


def checkpoint(redis: Redis) -> Checkpoint:
    """Where the live generation stands."""
    stored: Any = redis.get(HOME.projection("profiles").generation(_pointer(redis).generation).checkpoint)
    return msgspec.json.decode(stored, type=Checkpoint)


async def goes_on(redis: Redis) -> None:
    """Return once a projector has committed something more."""
    before = checkpoint(redis).revision

    async def has_moved() -> bool:
        return checkpoint(redis).revision > before

    await until(has_moved)


async def _has_caught_up(database: psycopg.Connection, redis: Redis) -> bool:
    [head] = database.execute("select max(position) from event_log").fetchall()
    return (checkpoint(redis).position,) == head


def _pointer(redis: Redis) -> Pointer:
    stored: Any = redis.get(HOME.projection("profiles").live)
    return msgspec.json.decode(stored, type=Pointer)


def _parts(things: Sequence[T]) -> list[Sequence[T]]:
    return [things[start : start + AT_ONCE] for start in range(0, len(things), AT_ONCE)]


async def _batch(read_url: str, wanted: dict[str, Any], position: int) -> list[dict[str, Any]]:
    """The records found once the read side has come so far."""
    async with httpx.AsyncClient(
        base_url=read_url, headers=headers_for(read_url), timeout=SECONDS, trust_env=False
    ) as client:
        answer = await until(lambda: _answer(client, wanted, position))
    found: list[dict[str, Any]] = answer.raise_for_status().json()["found"]
    return found


async def _answer(client: httpx.AsyncClient, wanted: dict[str, Any], position: int) -> httpx.Response | None:
    answer = await client.post("/profiles/batch-get", json=wanted, headers={"Muster-Min-Position": str(position)})
    return None if answer.status_code == 503 else answer
