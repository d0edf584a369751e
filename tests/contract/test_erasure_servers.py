"""An erased person is gone from real servers: from a live read model, an older one that comes back, and a new one."""

from uuid import uuid4

import psycopg
import pytest

from projector.adapters.postgres.directory import PostgresDirectory
from projector.adapters.postgres.traces import PostgresTraces
from projector.adapters.redis.traces import RedisTraces
from projector.projections.registry import PROJECTIONS
from shared.errors import Unavailable
from shared.redis.client import connect
from tests.support.folding import fold_all
from tests.support.verifying import HandInRedis, be_live, differences_in, verify
from tests.support.write_side import create_groups, postgres_write_side, register

PERSON = {
    "email": "quagga@example.org",
    "handle": "zebedee",
    "display_name": "Zebedee Quagga",
    "external_id": "okapi-7",
    "title": "Axolotl",
    "bio": "numbat",
    "tags": ["aardwolf"],
    "attributes": {"fossa": "tarsier"},
    "links": {"potoo": "https://kakapo.example/"},
}
VALUES = ("quagga", "zebedee", "okapi", "axolotl", "numbat", "aardwolf", "fossa", "tarsier", "potoo", "kakapo", "serow")


class Scene:
    """A database and a Valkey, and what a projector does between them."""

    def __init__(self, write_side, client, database_url):
        self.write_side, self.client, self.hand = write_side, client, HandInRedis(client)
        self._database_url = database_url

    async def live(self):
        """Zebedee does what there is to do, among others; returns the id."""
        account = (await self.write_side.run("register-account", **PERSON)).outcome.id
        await register(self.write_side, "ada")
        for group in await create_groups(self.write_side, "here", "there"):
            for person, role in ((str(account), "serow"), ("@ada", "chair")):
                await self.write_side.run("add-group-member", group=str(group), account=person, role=role)
        await self.write_side.run("change-email", account=str(account), email="quagga@example.com")
        await self.write_side.run("remove-group-member", group="there", account=str(account))
        return account

    async def begin(self):
        for projection in PROJECTIONS:
            await be_live(self.hand, projection)

    async def project(self):
        events = await self.write_side.events()
        for projection in PROJECTIONS:
            await fold_all(self.hand.subject(projection).model, events, projection=projection)

    async def snapshot(self):
        return {key: await self.client.dump(key) for key in await self.client.keys("*")}

    async def restore(self, snapshot):
        await self.client.flushall()
        for key, dumped in snapshot.items():
            await self.client.restore(key, 0, dumped)

    async def held(self):
        """Everything, as text without case."""
        parts = []
        for key in await self.client.keys("*"):
            match await self.client.type(key):
                case b"hash":
                    parts += [part for field in (await self.client.hgetall(key)).items() for part in field]
                case b"zset":
                    parts += await self.client.zrange(key, 0, -1)
                case _:
                    parts.append(await self.client.get(key))
        return b" ".join(parts).decode("utf-8", "replace").lower()

    async def require_gone(self):
        held = await self.held()
        assert [value for value in VALUES if value in held] == []
        assert "ada" in held

    async def require_verified(self):
        directory = PostgresDirectory(self._database_url)
        for projection in PROJECTIONS:
            verified = await verify(self.hand, self.write_side.log, projection, directory=directory)
            assert differences_in(verified) == set()

    def in_tables(self):
        with psycopg.connect(self._database_url) as connection:
            tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
            rows = [
                str(row) for (table,) in tables for row in connection.execute(f"select row::text from {table} as row")
            ]
        return [value for value in VALUES if any(value in row.lower() for row in rows)]


@pytest.fixture
async def scene(request, database_url):
    server = request.getfixturevalue("valkey").start()
    async with postgres_write_side(database_url) as write_side, connect(server.url) as client:
        await client.flushall()
        scene = Scene(write_side, client, database_url)
        await scene.begin()
        yield scene


async def test_a_live_read_model_loses_the_person(scene):
    account = await scene.live()
    await scene.project()
    held = await scene.held()
    assert [value for value in VALUES if value not in held] == []

    await scene.write_side.run("erase-account", account=str(account))
    await scene.project()

    await scene.require_gone()
    await scene.require_verified()
    assert scene.in_tables() == []


async def test_one_that_comes_back_from_before_loses_the_person_again(scene):
    """The projector goes on from the checkpoint that came back with it."""
    account = await scene.live()
    await scene.project()
    before = await scene.snapshot()
    await scene.write_side.run("erase-account", account=str(account))
    await scene.project()

    await scene.restore(before)
    assert "zebedee" in await scene.held()
    await scene.project()

    await scene.require_gone()
    await scene.require_verified()


async def test_a_new_one_never_has_the_person(scene):
    """A rebuild after the erasure, from the first event."""
    account = await scene.live()
    await scene.write_side.run("erase-account", account=str(account))
    await scene.client.flushall()
    await scene.begin()

    await scene.project()

    await scene.require_gone()
    await scene.require_verified()


async def test_what_comes_of_all_three_is_the_same(scene):
    """But for the positions that documents tell."""
    account = await scene.live()
    await scene.project()
    await scene.write_side.run("erase-account", account=str(account))
    await scene.project()
    live = await _documents(scene)
    await scene.client.flushall()
    await scene.begin()
    await scene.project()

    assert await _documents(scene) == live


async def _documents(scene):
    found = {}
    for key in await scene.client.keys("*:full"):
        found |= {(key, id_): sealed.split(b"\n")[1] for id_, sealed in (await scene.client.hgetall(key)).items()}
    return found


@pytest.fixture
async def client(valkey):
    async with connect(valkey.start().url) as client:
        await client.flushall()
        yield client


async def test_a_proof_looks_into_whatever_there_is_in_redis(client):
    """Another program may have kept a copy in a way that no projection has; of what is long, not only the beginning."""
    await client.set("string", "found")
    await client.hset("hash", "found", "x")
    await client.zadd("zset", {"found": 1})
    await client.sadd("set", "found")
    await client.rpush("list", "x", "y", "z", "found")
    for text in ("x", "y", "z", "found"):
        await client.xadd("stream", {"text": text})

    found = {
        key
        async for key, entries in RedisTraces(client, portion=2).contents()
        if any(b"found" in each.split(b"\0") for each in entries)
    }

    assert found == {"string", "hash", "zset", "set", "list", "stream"}


async def test_bytes_in_a_table_are_read_as_text_where_they_are_one(database_url):
    """Letters beyond ASCII too; what is none, such as a hash, is given as it is: its escapes have numbers."""
    packed = b"\xc1\xff\xfe"
    with psycopg.connect(database_url) as connection:
        connection.execute("create table copies (note bytea)")
        connection.execute("insert into copies values (%s), (%s)", ["Grüße".encode(), packed])

    traces = PostgresTraces(database_url).texts()
    found = {text async for place, texts in traces if place == "copies.note" for text in texts}

    assert found == {"Grüße", packed}


async def test_an_id_in_a_table_is_counted(database_url):
    """Whichever table it is, but where ids are to stay."""
    account, other = uuid4(), uuid4()
    with psycopg.connect(database_url) as connection:
        connection.execute("create table copies (whose uuid)")
        connection.execute("insert into copies values (%s), (%s), (%s)", [account, account, other])

    found = {place: count async for place, count in PostgresTraces(database_url).mentions(account) if count}

    assert found == {"copies.whose": 2}


async def test_what_cannot_be_read_proves_nothing(client, monkeypatch):
    """A kind of value that a module of the server has brought along."""

    async def type_of(_):
        return b"graphdata"

    await client.set("others", "x")
    monkeypatch.setattr(client, "type", type_of)

    with pytest.raises(Unavailable, match="others cannot be read, it is a graphdata"):
        await RedisTraces(client).require_readable()
