"""What is to be said of a run in which things were broken: what was lost, done twice, or told wrongly."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from projector.adapters.postgres.directory import PostgresDirectory
from projector.audit.verify.verification import Verification
from projector.projections.registry import PROJECTIONS
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.redis.client import connect
from tests.support import oracle
from tests.support.bench import Bench
from tests.support.mixed_load import MixedLoad
from tests.support.people import Group
from tests.support.stack import until
from tests.support.verifying import HandInRedis, unwatched


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


async def verdict_on(bench: Bench) -> Verdict:
    """Hold every answer against what is there, once the load has ended."""
    load, read_url = bench.load, bench.addresses.read
    verdict = Verdict(false=list(load.false), stale=bench.witnesses.wrong())
    verdict.lost += map(str, await oracle.people_not_shown(read_url, load.accepted, position=load.position))
    verdict.lost += await _groups_not_shown(bench, load)
    verdict.duplicated += map(str, await oracle.people_found(read_url, load.refused, position=load.position))
    _compare_with_log(bench, verdict)
    verdict.differences = await _differences(bench)
    with bench.database() as database, bench.redis_client() as redis:
        oracle.assert_directory_is_what_the_log_tells(database, redis)
    return verdict


def _compare_with_log(bench: Bench, verdict: Verdict) -> None:
    with bench.database() as database:
        verdict.lost += map(str, oracle.gaps(database))
        told = oracle.events_in(database)
        for key, expected in _events_of(bench.load).items():
            if (found := told.get(key, 0)) != expected:
                (verdict.lost if found < expected else verdict.duplicated).append(
                    f"{key}: {found} of {expected} events"
                )
        if (there := oracle.registered(database, bench.load)) > len(bench.load.accepted):
            verdict.duplicated.append(f"{there} were registered, {len(bench.load.accepted)} were answered so")


def _events_of(load: MixedLoad) -> dict[tuple[str, str], int]:
    return oracle.events_of(load) | {("group", each.id): each.version for each in (*load.groups, *load.deleted)}


async def _groups_not_shown(bench: Bench, load: MixedLoad) -> list[str]:
    async with bench.client(bench.addresses.read) as client:
        told = [(group, await _told(client, group, load.position)) for group in load.groups]
        gone = [(group, await _told(client, group, load.position)) for group in load.deleted]
    wrong = [f"{group}: {record}" for group, record in told if record is None or not _is_shown(group, record)]
    return wrong + [f"{group}: {record}" for group, record in gone if record is not None]


async def _told(client: httpx.AsyncClient, group: Group, position: int) -> dict[str, Any] | None:
    async def answer() -> httpx.Response | None:
        found = await client.get(f"/groups/{group.slug}", headers={"Muster-Min-Position": str(position)})
        return None if found.status_code == 503 else found

    found = await until(answer)
    record: dict[str, Any] = found.json()
    return record if found.status_code == 200 else None


def _is_shown(group: Group, record: dict[str, Any]) -> bool:
    told = (record["group_id"], record["name"], record["version"], record["member_count"])
    return told == (group.id, group.name, group.version, len(group.members))


async def _differences(bench: Bench) -> list[str]:
    """Between Redis, the log and PostgreSQL's state, as `muster verify` finds them."""
    log, directory = PostgresEventLog(bench.postgres.url), PostgresDirectory(bench.postgres.url)
    verification = Verification(log=log, directory=directory, progress=unwatched())
    async with connect(bench.redis.url) as client:
        hand = HandInRedis(client)
        verified = [await verification.verify(hand.subject(each)) for each in PROJECTIONS]
    return [str(detail) for each in verified for detail in each.details]
