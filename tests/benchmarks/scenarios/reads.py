"""Reads over HTTP: against a constant answer, against one another, and against FastAPI with PostgreSQL alone."""

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from urllib.parse import urlencode

import httpx
import psycopg

from tests.benchmarks.ceilings import valkey_benchmark
from tests.benchmarks.generated_log import GeneratedAccount, GeneratedLog
from tests.benchmarks.load_generator import Request, Traffic
from tests.benchmarks.results import BenchResult
from tests.benchmarks.scenario import Scale
from tests.benchmarks.servers import BenchedMuster, BenchServers, baseline_server, measured
from tests.benchmarks.sides import Contender, in_turns, sending

VARIANTS = 500
"""Requests of one kind, that none is answered from what the one before has left."""

BATCH = 100
PAGE = 50
FASTAPI = "fastapi-"
"""The beginning of the names of sides."""

COMPARISONS: Sequence[tuple[str, str, str, str]] = (
    ("by-id-constant", "look-ups by id, 64 connections, 1 worker", "by-id", "constant"),
    ("by-id-open", "look-ups by id, 64 connections, where a token is asked for", "by-id", "open"),
    ("by-id-valkey", "look-ups by id, 64 connections, 1 worker", "by-id", "valkey"),
    ("by-id-fastapi", "look-ups by id, 64 connections, 1 worker", "by-id", "fastapi-by-id"),
    ("batch", "records a second in batches of 100", "batch", "by-id"),
    ("page", "pages of 50 of a group", "page", "by-id"),
    ("search", "searches for one word, pages of 50", "search", "by-id"),
    ("tags", "people with two tags, pages of 50", "tags", "by-id"),
    ("page-fastapi", "pages of 50 of a group", "page", "fastapi-page"),
    ("search-fastapi", "searches for one word, pages of 50", "search", "fastapi-search"),
    ("tags-fastapi", "people with two tags, pages of 50", "tags", "fastapi-tags"),
)
"""Name, what it says, our side and the other side."""


def questions(generated: GeneratedLog) -> Mapping[str, Sequence[Request]]:
    """What is asked for, by kind; the same of Muster and of the baseline."""
    chosen = Random(1).sample(generated.accounts, min(VARIANTS, len(generated.accounts)))
    active = [each for each in chosen if each.status == "active"]
    large = [group["slug"] for group, members in _sizes(generated) if members >= PAGE] or [
        generated.created[0][1]["slug"]
    ]
    ids = [each.id for each in chosen]
    batches = [ids[start : start + BATCH] for start in range(0, max(1, len(ids) - BATCH), BATCH // 2)]
    return {
        "constant": [Request("/livez")],
        "open": [Request(f"/profiles/{each}") for each in ids],
        "by-id": [Request(f"/profiles/{each}") for each in ids],
        "batch": [Request("/profiles/batch-get", json.dumps({"ids": each}), "POST") for each in batches],
        "page": [listing(group=each) for each in large],
        "search": [listing(q=each) for each in dict.fromkeys(map(_word, active)) if each],
        "tags": [listing(tag=tags) for tags in dict.fromkeys(map(_two_tags, active)) if len(tags) > 1],
    }


def _sizes(generated: GeneratedLog) -> Iterator[tuple[Mapping[str, str], int]]:
    members: dict[str, int] = {}
    for _, _, group, _, _ in generated.memberships:
        members[group] = members.get(group, 0) + 1
    return ((group, members.get(id_, 0)) for id_, group in generated.created)


def _word(account: GeneratedAccount) -> str:
    """The first three letters of a name in plain letters, by which many others are found, too."""
    name = account.handle[:3]
    return name if name.isalpha() else ""


def _two_tags(account: GeneratedAccount) -> tuple[str, ...]:
    return tuple(account.profile["tags"][:2])


def listing(**parameters: object) -> Request:
    return Request(f"/profiles?{urlencode(parameters, doseq=True)}")


async def reads(muster: BenchedMuster, size: Scale, wanted: Collection[str]) -> list[BenchResult]:
    """All kinds of reads in turns: each once a round."""
    comparisons = [each for each in COMPARISONS if each[0] in wanted]
    names = dict.fromkeys(name for _, _, *both in comparisons for name in both)
    async with _sides(muster, questions(muster.generated), names) as sides:
        turns = await in_turns(sides, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    return [turns.compared(*each) for each in comparisons if each[-1] in sides]


@asynccontextmanager
async def _sides(
    muster: BenchedMuster, asked: Mapping[str, Sequence[Request]], names: Collection[str]
) -> AsyncIterator[Mapping[str, Contender]]:
    address, headers = muster.stack.addresses.read, muster.stack.headers
    sides = {
        name: reading(muster, name, asked[name])
        for name in names
        if name not in {"open", "valkey"} and not name.startswith(FASTAPI)
    }
    await require_answers(address, headers, asked, sides)
    async with AsyncExitStack() as others:
        if "open" in names:
            sides["open"] = await others.enter_async_context(_open(muster, asked["open"]))
        if "valkey" in names and (
            benchmark := valkey_benchmark(muster.servers, await _document(muster, asked["by-id"]))
        ):
            sides["valkey"] = benchmark
        if theirs := [name.removeprefix(FASTAPI) for name in names if name.startswith(FASTAPI)]:
            sides |= await others.enter_async_context(_fastapi(muster.servers, asked, theirs))
        yield sides


def reading(muster: BenchedMuster, name: str, requests: Sequence[Request]) -> Contender:
    """Return Muster under reads of one kind, by 64 connections."""
    traffic = Traffic(url=muster.stack.addresses.read, requests=requests, headers=muster.stack.headers)
    return Contender(
        what=f"Muster, {name}: read process with one worker, Valkey, tokens; {len(requests)} variants",
        run=sending(traffic),
        servers=muster.pids("read", "valkey") if name != "constant" else muster.pids("read"),
        records=BATCH if name == "batch" else 1,
    )


@asynccontextmanager
async def _open(muster: BenchedMuster, requests: Sequence[Request]) -> AsyncIterator[Contender]:
    """Another read process on the same Valkey, which lets everybody in."""
    async with measured("read", muster.servers.home / "open.log", **muster.servers.settings) as (url, pid):
        traffic = Traffic(url=url, requests=requests)
        yield Contender(
            what="Muster without tokens", run=sending(traffic), servers={"read": [pid], **muster.pids("valkey")}
        )


@asynccontextmanager
async def _fastapi(
    servers: BenchServers, asked: Mapping[str, Sequence[Request]], names: Sequence[str]
) -> AsyncIterator[Mapping[str, Contender]]:
    database = servers.empty_database("directory")
    async with baseline_server("fastapi_directory", servers, database) as (url, pid):
        copy_state(servers, database)
        await require_answers(url, {}, asked, names)
        counted = {"fastapi": [pid], "postgres": [servers.postgres.pid]}
        what = "FastAPI and SQLAlchemy on PostgreSQL: uvicorn, 1 worker, pool of 10, indexes for each query, no tokens"
        loads = {name: Traffic(url=url, requests=asked[name]) for name in names}
        yield {FASTAPI + name: Contender(what=what, run=sending(each), servers=counted) for name, each in loads.items()}


async def _document(muster: BenchedMuster, requests: Sequence[Request]) -> bytes:
    """What a look-up answers."""
    async with muster.stack.client(muster.stack.addresses.read) as client:
        return (await client.get(requests[0].path)).raise_for_status().content


async def require_answers(
    url: str, headers: Mapping[str, str], asked: Mapping[str, Sequence[Request]], names: Collection[str]
) -> None:
    """Ask each kind once: nobody would notice, if pages were measured that are empty."""
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        for name in names:
            for each in (asked[name][0], asked[name][-1]):
                answer = await client.request(each.method, each.path, json=each.body and json.loads(each.body))
                shown = answer.raise_for_status().json()
                assert shown.get("items", shown), f"{each.path} finds nobody"


PEOPLE = """id, handle, handle_unique, email, email_unique, external_id, status, display_name, given_name, family_name,
 title, bio, locale, time_zone, picture_url, links, tags, attributes, version, profile_version"""
OF_PEOPLE = PEOPLE.replace(" version, profile_version", " accounts.version, profiles.version")
COPIES = (
    ("people", PEOPLE, f"select {OF_PEOPLE} from accounts join profiles using (id)"),
    ("groups", "id, slug, name", "select id, slug, name from groups"),
    ("memberships", "group_id, person_id, role", "select group_id, account_id, role from memberships"),
)
"""Tables and columns of the baseline, and what of Muster's state fills them."""


def copy_state(servers: BenchServers, database_url: str) -> None:
    """Give the baseline the people, groups and memberships that Muster has."""
    with psycopg.connect(servers.postgres.url) as source, psycopg.connect(database_url) as target:
        for table, columns, query in COPIES:
            into = target.cursor().copy(f"copy {table} ({columns}) from stdin (format binary)")
            with source.cursor().copy(f"copy ({query}) to stdout (format binary)") as rows, into as copy:
                for block in rows:
                    copy.write(block)
    servers.statement("vacuum analyze", url=database_url)
