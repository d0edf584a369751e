"""A directory that is divided answers as one that is not: both are made of one log, by processes of their own."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest
from redis import Redis

from projector.projections.profiles import profiles
from shared.read_model.layouts import WHERE, Layouts
from shared.read_model.layouts import recorded as layouts_of
from shared.redis.location import key_holders, located
from shared.runtime.tasks import Tasks
from tests.support.cluster import valkey_cluster
from tests.support.commands import muster
from tests.support.load import EVERYTHING, Load, client_at
from tests.support.patience import until as until_it_is_so
from tests.support.readers import Readers
from tests.support.stack import NEWER_MUSTER, not_behind, service, until

PROFILE_SORTS = ("display_name", "-display_name", "handle", "created_at", "-updated_at")
GROUP_SORTS = ("name", "-name", "slug", "member_count", "-created_at")


@pytest.fixture
def redis_url(request, valkey, server_home):
    """A Redis that is empty: one server, or a cluster of three nodes."""
    if request.param == "cluster":
        with valkey_cluster(server_home / f"partitions-{request.node.callspec.params['partitions']}") as cluster:
            yield cluster.url
        return
    with Redis.from_url(valkey.start().url) as client:
        client.flushall()
    yield valkey.url


@asynccontextmanager
async def divided(settings, folder):
    """A read API on a read model of its own, which has so many partitions."""
    async with AsyncExitStack() as processes:
        await processes.enter_async_context(service("project", folder / "project.log", **settings))
        read, _ = await processes.enter_async_context(service("read", folder / "read.log", **settings))
        yield read


class Both:
    """Asks two read APIs the same, and wants the same answer."""

    def __init__(self, *clients, position):
        self._clients, self._position = clients, {"Muster-Min-Position": str(position)}

    async def ask(self, path, **query):
        one, other = [await self._answer(client, path, query) for client in self._clients]
        assert told(other) == told(one), (path, query)
        return one.json()

    async def walk(self, path, **query):
        """Ask for page after page; each cursor leads on at both."""
        page = await self.ask(path, **query)
        items = page["items"]
        while page["next_cursor"]:
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
    people = await both.walk("/profiles", status="any", limit=60)
    groups = await both.walk("/groups", limit=100)
    assert len(people) > 20
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


@pytest.mark.parametrize(
    ("redis_url", "partitions"),
    [
        pytest.param("server", 12, marks=pytest.mark.soak),
        pytest.param("cluster", 3),
        pytest.param("server", 3, marks=pytest.mark.soak),
        pytest.param("cluster", 12, marks=pytest.mark.soak),
    ],
    indirect=["redis_url"],
)
async def test_every_question_is_answered_alike(stack, redis_url, partitions, tmp_path):
    """Of what was there when the partitions were filled, and of what has happened meanwhile and since."""
    settings = {
        "MUSTER_DATABASE_URL": stack.addresses.database_url,
        "MUSTER_REDIS_URL": redis_url,
        "MUSTER_PARTITIONS": str(partitions),
    }
    load = Load(stack.addresses.write, seed=36 + partitions, kinds=EVERYTHING, pause=0.02)
    async with AsyncExitStack() as opened:
        async with load.running():
            await load.grown(by=80)
            async with load.at_rest():
                read = await opened.enter_async_context(divided(settings, tmp_path))
            await load.grown(by=40)
        one, other = [await opened.enter_async_context(client_at(url)) for url in (stack.addresses.read, read)]
        await compare(Both(one, other, position=load.position))
        verified = await asyncio.to_thread(muster, tmp_path, "verify", **settings)
    assert (verified.returncode, "0 differences" in verified.stdout) == (0, True), verified


@pytest.mark.parametrize(
    ("redis_url", "partitions"),
    [pytest.param("server", 3), pytest.param("cluster", 12, marks=pytest.mark.soak)],
    indirect=["redis_url"],
)
async def test_another_number_of_partitions_is_gone_over_to_and_back_beside_readers(
    stack, redis_url, partitions, tmp_path
):
    """By a projector beside one that was started with the former number; no reader fails, and none goes back."""
    settings = {"MUSTER_DATABASE_URL": stack.addresses.database_url, "MUSTER_REDIS_URL": redis_url}
    others, patient = settings | {"MUSTER_PARTITIONS": str(partitions)}, settings | {"MUSTER_READ_WAIT": "60"}
    load = Load(stack.addresses.write, seed=360 + partitions, kinds=EVERYTHING)
    async with AsyncExitStack() as processes:
        await processes.enter_async_context(service("project", tmp_path / "one.log", **settings))
        read, _ = await processes.enter_async_context(service("read", tmp_path / "read.log", **patient))
        async with load.running():
            await load.grown(by=40)
            readers = Readers(read, seed=36, load=load, are_divided=True)
            async with readers.running():
                await processes.enter_async_context(service("project", tmp_path / "other.log", **others))
                await recorded(redis_url, live=partitions, kept=1)
                await load.grown(by=60)
                back = await asyncio.to_thread(muster, tmp_path, "layout", "--rollback", **settings)
                await recorded(redis_url, live=1, kept=partitions)
                await load.grown(by=40)
                dropped = await asyncio.to_thread(muster, tmp_path, "layout", "--drop", **settings)
                await recorded(redis_url, live=1)
                await load.grown(by=20)
        verified = await asyncio.to_thread(muster, tmp_path, "verify", **settings)

    assert (back.returncode, dropped.returncode) == (0, 0), (back, dropped)
    assert (readers.refusals, readers.wrong(), readers.taken_back) == ({}, [], [])
    assert readers.answers[200] > 100
    assert (verified.returncode, "0 differences" in verified.stdout) == (0, True), verified
    assert set(keys_of_layout(redis_url, partitions)) == {"live", "roster"}


async def recorded(redis_url, **layouts):
    """Wait until readers use a layout, and what is beside it is so."""
    with Redis.from_url(located(redis_url)) as client:

        async def is_so():
            found = layouts_of(*(client.get(key) for key in WHERE))
            return found and msgspec.structs.replace(found, until=None, switches=0) == Layouts(**layouts)

        await until(is_so)


def keys_of_layout(redis_url, count):
    """What is left of the parts of projections in a layout, by the ends of their keys."""
    for url in key_holders(redis_url).urls.values():
        with Redis.from_url(url) as client:
            for key in client.scan_iter(f"muster:{{{count}.*"):
                projection, *rest = key.decode().partition("}:")[2].split(":")
                if projection in {"profiles", "groups", "activity", "unique-entries"} and "lease" not in rest:
                    yield rest[-1]


class Lists:
    """Readers who need all partitions, again and again; what was not answered, or taken back, is remembered."""

    PATHS = ("/profiles?status=any&limit=50", "/profiles?q=a&limit=20", "/groups?limit=50")

    def __init__(self, url):
        self._url = url
        self.answered, self.failed, self.taken_back = 0, [], []

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
                continue
            self.answered += 1
            if (position := int(answer.headers["Muster-Position"])) < highest:
                self.taken_back.append((path, position, highest))
            highest = position
            await asyncio.sleep(0.1)

    async def many(self, more=30):
        """Return once so many more were answered."""
        enough = self.answered + more
        await until_it_is_so(lambda: self.answered >= enough)


@pytest.mark.parametrize("redis_url", ["server"], indirect=True)
async def test_nobody_who_reads_notices_another_version(stack, redis_url, tmp_path):
    """The next release rebuilds all parts; they go live together, and back, while all parts are asked for lists."""
    settings = {
        "MUSTER_DATABASE_URL": stack.addresses.database_url,
        "MUSTER_REDIS_URL": redis_url,
        "MUSTER_PARTITIONS": "3",
    }
    newer = service("project", tmp_path / "newer.log", program=NEWER_MUSTER, MUSTER_REBUILD="auto", **settings)
    load = Load(stack.addresses.write, seed=5, kinds=EVERYTHING)
    async with divided(settings, tmp_path) as read, load.running():
        lists = Lists(read)
        await load.grown(by=30)
        async with lists.asked(), newer as (ops, _), client_at(ops) as operator:
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
        verified = await asyncio.to_thread(muster, tmp_path, "verify", **settings)

    assert (lists.failed, lists.taken_back) == ([], [])
    assert (verified.returncode, "0 differences" in verified.stdout) == (0, True), verified
