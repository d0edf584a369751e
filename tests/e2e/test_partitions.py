"""A directory that is divided answers as one that is not: both are made of one log, by processes of their own."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest
from redis import Redis

from projector.projections.profiles import profiles
from shared.read_model.layouts import WHERE, Layouts
from shared.read_model.layouts import recorded as layouts_of
from shared.read_model.partitions import Partitions
from shared.redis.location import key_holders, located
from shared.runtime.tasks import Tasks
from shared.urls.servers import is_cluster_url
from tests.e2e.newer_release import call_newer_muster
from tests.support.announcements import announced, out_of_order
from tests.support.cluster import valkey_cluster
from tests.support.commands import muster
from tests.support.event_streams import followed
from tests.support.load import EVERYTHING, Load, client_at
from tests.support.patience import SECONDS, not_behind, until
from tests.support.processes import frozen, kill
from tests.support.readers import Readers
from tests.support.sharing_projectors import Projectors, projectors_on
from tests.support.stack import service

PROFILE_SORTS = ("display_name", "-display_name", "handle", "created_at", "-updated_at")
GROUP_SORTS = ("name", "-name", "slug", "member_count", "-created_at")


PLACES = (
    ("server", 3),
    pytest.param(("server", 12), marks=pytest.mark.soak),
    pytest.param(("cluster", 3), marks=pytest.mark.soak),
    pytest.param(("cluster", 12), marks=pytest.mark.soak),
)
MANY = pytest.param(("cluster", 48), marks=pytest.mark.soak)
"""Partitions; where parts of a projection are rebuilt one by one, these take minutes."""


def name_of(place):
    return f"{place[0]}-{place[1]}"


with_many = pytest.mark.parametrize("place", [*PLACES, MANY], ids=name_of, indirect=True)


@pytest.fixture(scope="module", params=PLACES, ids=name_of)
def place(request, valkey, server_home):
    """An empty Redis: one server, or a cluster of three nodes; and how many partitions there are to be."""
    kind, partitions = request.param
    if kind == "cluster":
        with valkey_cluster(server_home / f"partitions-{partitions}") as cluster:
            yield cluster.url, partitions
        return
    with Redis.from_url(valkey.start().url) as client:
        client.flushall()
    yield valkey.url, partitions


class DividedDirectory(NamedTuple):
    """
    A read model in several partitions, beside that of the stack.

    :ivar read: the URL of its read API.
    :ivar one: the processes of the projector that is there all the time.
    """

    redis_url: str
    partitions: int
    projectors: Projectors
    one: set[int]
    read: str
    folder: Path

    async def operator(self, *arguments):
        done = await asyncio.to_thread(muster, self.folder, *arguments, **self.projectors.settings)
        assert done.returncode == 0, done


@pytest.fixture(scope="module")
async def divided(stack, place, tmp_path_factory):
    """Filled with what was there already; in the end it is to be as the log says."""
    redis_url, partitions = place
    folder = tmp_path_factory.mktemp("partitions")
    await Load(stack.addresses.write, seed=35 + partitions, kinds=EVERYTHING, pause=0, commands=40).run()
    async with projectors_on(redis_url, stack, folder, partitions=partitions) as projectors, AsyncExitStack() as opened:
        one = await opened.enter_async_context(projectors.one_more())
        settings = {"MUSTER_READ_WAIT": "60", **projectors.settings}
        read, _ = await opened.enter_async_context(service("read", folder / "read.log", **settings))
        yield DividedDirectory(redis_url, partitions, projectors, one, read, folder)


class Both:
    """Asks two read APIs the same, and wants the same answer."""

    def __init__(self, *clients, position):
        self._clients, self._position = clients, {"Muster-Min-Position": str(position)}

    async def ask(self, path, **query):
        one, other = [await self._answer(client, path, query) for client in self._clients]
        assert told(other) == told(one), (path, query)
        return one.json()

    async def walk(self, path, *, most=50, **query):
        """Ask for page after page; each cursor leads on at both. Others may have left more than is worth the time."""
        page = await self.ask(path, **query)
        items = page["items"]
        while page["next_cursor"] and len(items) < most:
            page = await self.ask(path, **query, cursor=page["next_cursor"])
            items += page["items"]
        return items

    async def batch(self, **keys):
        one, other = [await self._answer(client, "/profiles/batch-get", json=keys) for client in self._clients]
        assert told(other) == told(one)

    async def _answer(self, client, path, query=None, **body):
        method = "POST" if body else "GET"
        return await not_behind(lambda: client.request(method, path, params=query, headers=self._position, **body))


def told(answer):
    """What an answer says, but for what names the request."""
    return answer.status_code, answer.headers.get("ETag"), {**answer.json(), "request_id": None}


async def compare(both):
    """Ask for everybody and everything there is, by all that leads there."""
    people = await both.walk("/profiles", status="any", limit=100, most=500)
    groups = await both.walk("/groups", limit=100, most=500)
    assert len(people) > 10
    assert len(groups) > 2
    for sort in PROFILE_SORTS:
        await both.walk("/profiles", status="any", sort=sort, limit=17)
    for sort in GROUP_SORTS:
        await both.walk("/groups", sort=sort, limit=3)
    for each in people[:15]:
        await both.ask(f"/profiles/{each['account_id']}")
        await both.ask(f"/profiles/by-handle/{each['handle'].upper()}")
        await both.ask(f"/profiles/{each['account_id']}/activity")
    for each in groups[:5]:
        await both.ask(f"/groups/{each['slug']}")
        members = await both.walk(f"/groups/{each['group_id']}/members", limit=3)
        for member in members[:3]:
            await both.ask(f"/groups/{each['slug']}/members/{member['account_id']}")
        await both.walk("/profiles", group=each["slug"], status="any", limit=5)
    for word in {each["display_name"].split()[0][:3] for each in people[:10]}:
        await both.ask("/profiles", q=word, limit=10)
    await both.batch(
        ids=[each["account_id"] for each in people[:40]],
        handles=[*(each["handle"] for each in people[20:80]), "nobody-at-all"],
        emails=[each["email"] for each in people[10:50]],
    )
    await both.ask("/profiles/by-handle/nobody-at-all")
    await both.ask("/stats")
    await both.ask("/changes", after="0", limit=200)


@with_many
async def test_every_question_is_answered_alike(stack, divided):
    """Of what was there when the partitions were filled, and of what has happened since."""
    load = Load(stack.addresses.write, seed=36 + divided.partitions, kinds=EVERYTHING, pause=0, commands=40)
    await load.run()
    async with client_at(stack.addresses.read) as one, client_at(divided.read) as other:
        await compare(Both(one, other, position=load.position))


@with_many
async def test_two_projectors_share_the_partitions(stack, divided):
    """
    One joins, one sleeps and wakes up late, one is killed; every commit is announced from within its transaction.

    A projector that woke up and went on from where it slept would announce a position for the second time.
    """
    projectors, one = divided.projectors, divided.one
    load = Load(stack.addresses.write, seed=170 + divided.partitions, clients=2, pause=0.8)
    with stack.database() as database:
        await until(lambda: projectors.have_all_of(database))
        async with announced(divided.redis_url) as told, load.running():
            async with projectors.one_more() as two:
                await until(lambda: projectors.are_shared_by(one, two))
                await load.grown(by=5)
                with frozen(one):
                    await until(lambda: projectors.are_shared_by(two))
                    await load.grown(by=5)
                await until(lambda: projectors.are_shared_by(one, two))
                await load.grown(by=5)
                kill(two)
            await until(lambda: projectors.are_shared_by(one))
        await until(lambda: projectors.have_all_of(database))

    assert load.false == []
    assert len(told) == (0 if is_cluster_url(divided.redis_url) else 4 * divided.partitions + 2)
    assert out_of_order(told) == {}


class Exporter:
    """Exports one after the other; in each, all who were there before are to be, once."""

    def __init__(self, client):
        self._client = client
        self.made, self.wrong = 0, []

    async def run(self):
        known = set()
        while True:
            try:
                people = await self._people()
            except httpx.HTTPError as error:
                self.wrong.append(repr(error))
                continue
            if not known <= {*people} or len({*people}) < len(people):
                self.wrong.append((known, people))
            known, self.made = {*people}, self.made + 1
            await asyncio.sleep(1)

    async def _people(self):
        answer = (await self._client.get("/export")).raise_for_status()
        lines = map(json.loads, answer.text.splitlines())
        return [each["account_id"] for each in lines if each["command"] == "register-account"]


class ChangeFollower:
    """Follows the change feed from a position on, on one stream."""

    def __init__(self, url, *, after):
        self._url, self._after = url, after
        self.looked_up_to = after
        self.met = []

    async def run(self):
        async with followed(self._url, path=f"/changes/stream?after={self._after}") as (_, events):
            async for event in events:
                if event.data:
                    self.met.append(event.data["sequence"])
                self.looked_up_to = int(event.id or self.looked_up_to)
        raise AssertionError("the stream has ended")

    async def has_looked_up_to(self, position):
        return self.looked_up_to >= position


def positions(stack, *, after):
    """All that are in the log behind one."""
    with stack.database() as session:
        rows = session.execute("select position from event_log where position > %s order by position", [after])
        return [position for (position,) in rows]


@with_many
async def test_another_number_of_partitions_is_gone_over_to_and_back_beside_readers(stack, divided):
    """
    By a projector beside one that was started with the former number; no reader fails, and none goes back.

    Nor does an export miss anyone, or a stream of changes miss or double any.
    """
    redis_url, partitions = divided.redis_url, divided.partitions
    load = Load(stack.addresses.write, seed=360 + partitions, kinds=EVERYTHING, clients=2, pause=0.8)
    readers = Readers(divided.read, seed=36, load=load, are_divided=True, readers=2, pause=0.3)
    async with client_at(divided.read) as client, Tasks() as tasks:
        async with load.running():
            await load.grown(by=5)
            exports, follower = Exporter(client), ChangeFollower(divided.read, after=(began := load.position))
            tasks.start(exports.run(), name="exports")
            tasks.start(follower.run(), name="follower of changes")
            async with readers.running(), divided.projectors.one_more(MUSTER_PARTITIONS="1"):
                await recorded(redis_url, live=1, kept=partitions)
                await load.grown(by=5)
                await divided.operator("layout", "--rollback")
                await recorded(redis_url, live=partitions, kept=1)
                await load.grown(by=5)
                await divided.operator("layout", "--drop")
                await recorded(redis_url, live=partitions)
                await load.grown(by=5)
                await until(lambda: exports.made > 3 and readers.answers[200] > 20)
        log = positions(stack, after=began)
        await until(lambda: follower.has_looked_up_to(log[-1]))

    assert (exports.wrong, follower.met) == ([], log)
    assert (readers.refusals, readers.wrong(), readers.taken_back) == ({}, [], [])
    assert set(keys_of_layout(redis_url, 1)) == {"live", "roster"}


async def recorded(redis_url, **layouts):
    """Wait until readers use a layout, and what is beside it is so."""
    with Redis.from_url(located(redis_url)) as client:

        def is_so():
            found = layouts_of(*(client.get(key) for key in WHERE))
            return found and msgspec.structs.replace(found, until=None, switches=0) == Layouts(**layouts)

        await until(is_so)


def keys_of_layout(redis_url, count):
    """What is left of the parts of projections in a layout, by the ends of their keys."""
    for url in key_holders(redis_url).urls.values():
        with Redis.from_url(url) as client:
            for tag in Partitions(count).tags:
                for key in client.scan_iter(f"muster:{{{tag}}}:*"):
                    projection, *rest = key.decode().partition("}:")[2].split(":")
                    if projection in {"profiles", "groups", "activity", "unique-entries"} and "lease" not in rest:
                        yield rest[-1]


class Lists:
    """Readers who need all partitions, again and again; what was not answered, or taken back, is remembered."""

    PATHS = ("/profiles?status=any&limit=20", "/profiles?q=a&limit=10", "/groups?limit=20")

    def __init__(self, url):
        self._url = url
        self._answered = asyncio.Condition()
        self.failed, self.taken_back = [], []

    @asynccontextmanager
    async def asked(self):
        async with client_at(self._url) as client, Tasks() as tasks:
            for path in self.PATHS:
                tasks.start(self._ask(client, path), name=f"reader of {path}")
            yield

    async def _ask(self, client, path):
        highest = 0
        while True:
            answer = await client.get(path)
            if answer.status_code != 200:
                self.failed.append((path, answer.text))
            elif (position := int(answer.headers["Muster-Position"])) < highest:
                self.taken_back.append((path, position, highest))
            else:
                highest = position
            async with self._answered:
                self._answered.notify_all()
            await asyncio.sleep(0.4)

    async def many(self, more=9):
        """Return once so many more were answered."""
        async with asyncio.timeout(SECONDS), self._answered:
            for _ in range(more):
                await self._answered.wait()


@with_many
async def test_nobody_who_reads_notices_another_version(stack, divided):
    """The next release rebuilds all parts; they go live together, and back, while all parts are asked for lists."""
    settings = divided.projectors.settings | {"MUSTER_REBUILD": "auto"}
    newer = service("project", divided.folder / "newer.log", call=call_newer_muster, **settings)
    load = Load(stack.addresses.write, seed=5 + divided.partitions, kinds=EVERYTHING, clients=2, pause=0.8)
    lists = Lists(divided.read)
    async with load.running(), lists.asked(), newer as (ops, _), client_at(ops) as operator:
        await lists.many()

        async def is_live(version):
            parts = (await operator.get("/status")).json()["projections"][0]["parts"]
            live = [each for part in parts for each in part["generations"] if each["role"] == "live"]
            return {each["version"] for each in live} == {version}

        async def is_ordered_back():
            """It is refused as long as what was live before is behind."""
            return (await operator.post("/projections/profiles/rollback", json={})).is_success

        await until(lambda: is_live(profiles.version + 1))
        await lists.many()
        await until(is_ordered_back)
        await until(lambda: is_live(profiles.version))
        await lists.many()

    assert (lists.failed, lists.taken_back) == ([], [])
