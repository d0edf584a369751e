"""What is to be said once a load has ended, whatever happened meanwhile: of the read API, of the log and of Redis."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import msgspec
import psycopg
from redis import Redis

from shared.read_model.keys import HOME
from shared.read_model.positions import Checkpoint, Pointer
from tests.support.load import Load, client_at
from tests.support.patience import not_behind, until
from tests.support.people import Group, Person
from tests.support.stack import Stack

AT_ONCE = 500
"""What one batch-get takes."""

KEYS = {"ids": "id", "handles": "handle", "emails": "email", "external_ids": "external_id"}


@dataclass
class Verdict:
    """Each thing that is not as it was promised, in words; nothing, if all is well."""

    lost: list[str] = field(default_factory=list)
    """A 200 of which nothing, or not all, is there."""
    duplicated: list[str] = field(default_factory=list)
    """More than what was answered with 200."""
    stale: list[str] = field(default_factory=list)
    """Reads that told something older, or other, than their position says."""
    false: list[str] = field(default_factory=list)
    """Answers against the contract."""
    differences: list[str] = field(default_factory=list)
    """What `muster verify` tells."""

    def __bool__(self) -> bool:
        return not any((self.lost, self.duplicated, self.stale, self.false, self.differences))


async def verdict_on(load: Load, *, read_url: str, database: psycopg.Connection) -> Verdict:
    """Hold every answer of a load that has ended against what is there."""
    verdict = Verdict(false=list(load.false))
    async with client_at(read_url) as client:
        verdict.lost += map(str, await _people_not_shown(client, load.accepted, position=load.position))
        verdict.lost += await _groups_not_shown(client, load)
        refused = await _batches(client, "handles", load.refused, load.position)
    verdict.duplicated += map(str, refused)
    _compare_with_log(database, load, verdict)
    return verdict


async def assert_all_is_right(stack: Stack, load: Load) -> None:
    """Every accepted command is visible exactly once, every refused one not at all, and nothing else is there."""
    with stack.database() as database, stack.redis() as redis:
        verdict = await verdict_on(load, read_url=stack.addresses.read, database=database)
        assert verdict, verdict
        await until(lambda: _has_caught_up(database, redis))
        assert_directory_is_what_the_log_tells(database, redis)


async def assert_people_are_found(read_url: str, people: Sequence[Person], *, position: int) -> None:
    """By each of their keys, and with all that was sent."""
    async with client_at(read_url) as client:
        assert await _people_not_shown(client, people, position=position) == []


async def _people_not_shown(client: httpx.AsyncClient, people: Sequence[Person], *, position: int) -> list[Any]:
    """Who cannot be found by each of their keys with all that was sent, and by which not."""
    wrong: list[Any] = []
    for keys, name in KEYS.items():
        records = await _batches(client, keys, [getattr(person.account, name) for person in people], position)
        found = {record["account_id"]: record for record in records}
        wrong += [(keys, person) for person in people if not person.shows_in(found.get(person.id))]
    return wrong


async def _groups_not_shown(client: httpx.AsyncClient, load: Load) -> list[str]:
    told = [(group, await _told(client, group, load.position)) for group in load.groups]
    return [f"{group.id}: {record}" for group, record in told if not group.shows_in(record)]


async def _told(client: httpx.AsyncClient, group: Group, position: int) -> dict[str, Any] | None:
    headers = {"Muster-Min-Position": str(position)}
    found = await not_behind(lambda: client.get(f"/groups/{group.id}", headers=headers))
    return found.json() if found.status_code == 200 else None


def _compare_with_log(database: psycopg.Connection, load: Load, verdict: Verdict) -> None:
    """No version is missing or there twice, and there is nobody whose registration was not accepted."""
    gaps = database.execute(
        "select aggregate, aggregate_id, count(*), min(version), max(version) from event_log group by 1, 2"
        " having (min(version), max(version)) <> (1, count(*)) or count(distinct version) <> count(*)"
    )
    verdict.lost += map(str, gaps)
    rows = database.execute("select aggregate, aggregate_id::text, count(*) from event_log group by 1, 2").fetchall()
    told = {(aggregate, id_): count for aggregate, id_, count in rows}
    for key, expected in _versions(load).items():
        if (found := told.get(key, 0)) != expected:
            (verdict.lost if found < expected else verdict.duplicated).append(f"{key}: {found} of {expected} events")
    only_ours = (f"load:p{load.seed}.%",)
    [(there,)] = database.execute("select count(*) from accounts where external_id like %s", only_ours).fetchall()
    if there > len(load.accepted):
        verdict.duplicated.append(f"{there} were registered, {len(load.accepted)} were answered so")


def _versions(load: Load) -> dict[tuple[str, str], int]:
    """How many events the log must have of each aggregate."""
    accounts = {("account", person.id): person.account.version for person in load.accepted}
    profiles = {("profile", person.id): person.account.profile_version for person in load.accepted}
    return accounts | profiles | {("group", each.id): each.version for each in load.groups}


def assert_directory_is_what_the_log_tells(database: psycopg.Connection, redis: Redis) -> None:
    """As many documents and unique entries as there are accounts, and a checkpoint that counts every event once."""
    [(accounts, external_ids)] = database.execute("select count(*), count(external_id) from accounts").fetchall()
    generation = HOME.projection("profiles").generation(_pointer(redis).generation)
    hashes = {
        generation.documents("profile", "full"): accounts,
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
    await until(lambda: checkpoint(redis).revision > before)


def _has_caught_up(database: psycopg.Connection, redis: Redis) -> bool:
    [head] = database.execute("select max(position) from event_log").fetchall()
    return (checkpoint(redis).position,) == head


def _pointer(redis: Redis) -> Pointer:
    stored: Any = redis.get(HOME.projection("profiles").live)
    return msgspec.json.decode(stored, type=Pointer)


async def _batches(client: httpx.AsyncClient, keys: str, values: Sequence[str], position: int) -> list[dict[str, Any]]:
    """The records found by these keys once the read side has come so far."""
    headers, found = {"Muster-Min-Position": str(position)}, []
    for some in (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE)):
        asked = partial(client.post, "/profiles/batch-get", json={keys: some}, headers=headers)
        found += (await not_behind(asked)).raise_for_status().json()["found"]
    return found
