"""
How long a page of a list takes, by what is asked.

    python -m tests.benchmarks.lists [--people 100000] [--questions 300] [--clients 1]

Fills an embedded Valkey of its own with synthetic people, in groups of 100, 1,000 and 10,000 and with tags that one in
ten, in a hundred and in a thousand has. Then so many clients ask the views in this process, each one question after the
other. Prints the median and the 99th percentile in milliseconds, trips a page, how many people are on it, and how many
questions were refused as too broad.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from redis import Redis

from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from read_side.views import ProfileQuery, QueryTooBroad
from shared.dev_stack.embedded_redis import EmbeddedRedis
from shared.read_model.keys import HOME
from shared.read_model.records import ProfileGroup, ProfileRecord
from shared.redis.client import connector
from tests.support.read_side import RedisProjection, person

SYLLABLES = ("an", "bel", "car", "dre", "el", "fin", "gar", "ha", "is", "jo", "kal", "len", "mar", "nor", "ol", "per")
SYLLABLES += (
    "qui",
    "ros",
    "san",
    "ter",
    "ul",
    "vin",
    "wes",
    "xa",
    "yor",
    "zel",
    "chi",
    "sha",
    "tho",
    "bri",
    "gro",
    "pla",
)
TAGS = {f"{rarity}-{number}": rarity for rarity in (10, 100, 1000) for number in range(8)}
"""One person in so many has the tag."""
GROUPS = [
    ProfileGroup(group_id=UUID(int=(size << 64) + number), slug=f"g{size}-{number}", name=f"G {number}", role="member")
    for size in (100, 1_000, 10_000)
    for number in range(8)
]
CHUNK = 2_000
DEEP = 1_000


class Asked(NamedTuple):
    """A question, in as many variants as shall not be the same one."""

    name: str
    queries: list[ProfileQuery]


def people(count: int) -> Iterator[ProfileRecord]:
    random = Random(1)
    for number in range(1, count + 1):
        given, family = ("".join(random.choices(SYLLABLES, k=random.choice((1, 2, 2, 3)))).title() for _ in range(2))
        yield person(
            random.getrandbits(128),
            handle=f"{given}.{family}{number}"[:40],
            email=f"{number}@example.org",
            external_id=f"crowd:{number}",
            display_name=f"{given} {family}",
            given_name=given,
            family_name=family,
            title=random.choice((None, "Analyst", "Senior engineer", "Head of department")),
            status="active" if random.random() < 0.95 else "closed",
            tags=tuple(tag for tag, rarity in TAGS.items() if random.random() * rarity < 1),
            groups=tuple(group for group in GROUPS if random.random() * count < group.group_id.int >> 64),
        )


def fill(client: Redis, count: int) -> None:
    projection, remaining = RedisProjection(client), people(count)
    while chunk := list(islice(remaining, CHUNK)):
        projection.commit(*chunk, position=count)


def questions() -> Iterator[Asked]:
    tag = {rarity: [name for name, own in TAGS.items() if own == rarity] for rarity in (10, 100, 1000)}
    slugs = {size: [each.slug for each in GROUPS if each.group_id.int >> 64 == size] for size in (100, 1_000, 10_000)}
    words = ["".join(pair) for pair in zip(SYLLABLES, SYLLABLES[7:] + SYLLABLES[:7], strict=True)]
    two, three, five = (
        [each for each in {word[:length] for word in words} if len(each) == length] for length in (2, 3, 5)
    )
    pairs = list(zip(three, three[3:] + three[:3], strict=True))
    yield Asked("status only", [ProfileQuery()])
    yield Asked("any status, by creation, descending", [_all(order="created_at", descending=True)])
    for rarity, names in tag.items():
        yield Asked(f"one tag (1 in {rarity})", [ProfileQuery(tags=(name,)) for name in names])
    yield Asked("one group, by id", [ProfileQuery(group=str(each.group_id)) for each in GROUPS])
    yield Asked("one group, by slug", [ProfileQuery(group=each.slug) for each in GROUPS])
    for one, other in ((10, 10), (10, 100), (100, 100), (100, 1000)):
        combined = zip(tag[one], tag[other][1:] + tag[other][:1], strict=True)
        yield Asked(f"two tags (1 in {one}, 1 in {other})", [ProfileQuery(tags=pair) for pair in combined])
    for size, own in slugs.items():
        combined = zip(own, tag[10], strict=True)
        yield Asked(f"group of {size:,} and tag (1 in 10)", [ProfileQuery(group=g, tags=(t,)) for g, t in combined])
    for name, prefixes in (("2", two), ("3", three), ("5", five)):
        yield Asked(f"one word, {name} letters", [_search(each) for each in prefixes])
    yield Asked("two words, 3 letters each", [_search(*pair) for pair in pairs])
    yield Asked("one word and group of 100", [_search(each, group=slugs[100][0]) for each in three])
    yield Asked("one word and tag (1 in 1000)", [_search(each, tags=(tag[1000][0],)) for each in three])
    for name, prefixes in (("3", three), ("5", five)):
        yield Asked(f"one word, {name} letters, by handle", [_search(each, order="handle") for each in prefixes])
    yield Asked("two words, 3 letters each, by handle", [_search(*pair, order="handle") for pair in pairs])


def _all(**more: object) -> ProfileQuery:
    return msgspec.structs.replace(ProfileQuery(statuses=("active", "suspended", "closed")), **more)


def _search(*words: str, **more: object) -> ProfileQuery:
    return msgspec.structs.replace(ProfileQuery(words=words, order=None), **more)


class Measure:
    """Asks one question after the other and prints a line for each kind."""

    def __init__(self, views: RedisProfileViews, client: Redis, arguments: argparse.Namespace) -> None:
        self._views, self._client = views, client
        self._count, self._questions, self._clients = arguments.people, arguments.questions, arguments.clients

    async def print_all(self) -> None:
        _print("milliseconds", "p50", "p99", "trips", "rows", "refused")
        await self._print_look_ups()
        for asked in questions():
            await self._print_lists(asked.name, asked.queries)
        for pages, query in ((DEEP, ProfileQuery()), (DEEP // 10, ProfileQuery(tags=("10-0",)))):
            deep = await self._behind(pages - 1, query)
            await self._print_lists(f"page {pages:,} of {'a tag (1 in 10)' if query.tags else 'status only'}", [deep])

    async def _behind(self, pages: int, query: ProfileQuery) -> ProfileQuery:
        for _ in range(pages):
            query = msgspec.structs.replace(query, after=(await self._views.list(query)).after)
        return query

    async def _print_look_ups(self) -> None:
        ids = [str(each.account_id) for each in islice(people(self._count), self._questions)]
        taken = await self._all_timed([partial(self._views.by_id, each) for each in ids])
        _print("look-up by id", *_quantiles([each for each, _ in taken]))

    async def _print_lists(self, name: str, queries: list[ProfileQuery]) -> None:
        before, asked = self._trips(), [queries[nth % len(queries)] for nth in range(self._questions)]
        taken = await self._all_timed([partial(self._views.list, query) for query in asked])
        trips = (self._trips() - before) / len(taken)
        pages = [page for _, page in taken if page is not None]
        rows = sum(len(page.documents) for page in pages) / len(taken)
        _print(name, *_quantiles([each for each, _ in taken]), f"{trips:.1f}", f"{rows:.1f}", len(taken) - len(pages))

    async def _all_timed(self, asks: list[Callable[[], Awaitable[Any]]]) -> list[tuple[float, Any]]:
        """Have each client ask its share, one after the other."""

        async def client(own: list[Callable[[], Awaitable[Any]]]) -> list[tuple[float, Any]]:
            return [await self._timed(ask) for ask in own]

        shares = await asyncio.gather(*(client(asks[nth :: self._clients]) for nth in range(self._clients)))
        return [each for share in shares for each in share]

    async def _timed(self, ask: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
        """Return milliseconds and the answer; None if it was refused."""
        began = time.perf_counter()
        try:
            answer = await ask()
        except QueryTooBroad:
            answer = None
        return 1e3 * (time.perf_counter() - began), answer

    def _trips(self) -> int:
        return int(self._client.info("commandstats")["cmdstat_exec"]["calls"])


def _quantiles(taken: list[float]) -> tuple[str, str]:
    return f"{statistics.median(taken):.2f}", f"{statistics.quantiles(taken, n=100)[98]:.2f}"


def _print(name: str, *columns: object) -> None:
    print(f"{name:<40}" + "".join(f"{column:>9}" for column in columns), flush=True)  # noqa: T201 - what it is for


async def measure(url: str, client: Redis, arguments: argparse.Namespace) -> None:
    async with RedisProfileViews(connector(url), keyspace=HOME, freshness=Freshness(patience=2)) as views:
        await views.position()
        await Measure(views, client, arguments).print_all()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--clients", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-lists-") as home:
        Path(home).chmod(0o711)
        with EmbeddedRedis(Path(home) / "valkey", appendonly=False) as server, Redis.from_url(server.url) as client:
            fill(client, arguments.people)
            used = client.info("memory")["used_memory"] / arguments.people
            _print(f"{arguments.people:,} people, {used:,.0f} bytes each")
            asyncio.run(measure(server.url, client, arguments))


if __name__ == "__main__":
    main()
