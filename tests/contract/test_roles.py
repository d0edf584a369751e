"""Each process under a role of its own, as `docs/roles` has them: it can do its work, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from redis import Redis
from redis.exceptions import NoPermissionError

from projector.adapters.postgres.directory import PostgresDirectory
from projector.adapters.redis.client import connect
from projector.services import PROJECTIONS
from read_side.adapters.redis import RedisProfileViews, connector
from read_side.freshness import Freshness
from read_side.views import ProfileQuery
from shared.event_log.postgres import PostgresEventLog
from shared.events.erasure import AccountErased
from shared.keys import ProjectionKeys, limit_key
from shared.stack.redis import EmbeddedRedis
from tests.support.crowds import crowd
from tests.support.random_commands import Writer
from tests.support.read_side import RedisProjection
from tests.support.sessions import log_held
from tests.support.stack import until
from tests.support.verifying import HandInRedis, fill, told, verify
from tests.support.write_side import postgres_write_side, register

ROLES = Path(__file__).parents[2] / "docs" / "roles"
PASSWORD = "of-a-role"
PEOPLE = crowd(20)


@pytest.fixture
def as_role(database_url):
    """Gives the URL of the database for a role."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute((ROLES / "postgresql.sql").read_text())
        for role in ("muster_write", "muster_project"):
            owner.execute(f"alter role {role} password '{PASSWORD}'")
    yield lambda role: make_conninfo(database_url, user=role, password=PASSWORD)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("drop owned by muster_write, muster_project")


@pytest.fixture
def server(server_home) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(server_home / "redis-with-users") as server:
        with Redis.from_url(server.url) as owner:
            owner.flushall()
            for line in (ROLES / "redis.acl").read_text().splitlines():
                owner.execute_command("ACL", "SETUSER", *line.removeprefix("user ").split())
        yield server


def url_of(server: EmbeddedRedis, user: str) -> str:
    return f"redis://muster-{user.lower()}:{user.upper()}@127.0.0.1:{server.port}/0"


async def test_commands_of_every_kind_are_carried_out_by_the_role_that_writes(as_role):
    """Erasing too; it rewrites what was appended by a function that is allowed to."""
    async with postgres_write_side(as_role("muster_write")) as write_side:
        writer = Writer(write_side, seed=1460)
        await writer.send(200)
        await register(write_side, "p1460")
        await write_side.run("erase-account", account="@p1460")
        events = await write_side.events_after(0)

    assert writer.done > 100
    assert isinstance(events[-1].event, AccountErased)


@pytest.mark.parametrize(
    "statement",
    [
        "update event_log set type = 'x'",
        "delete from event_log",
        "truncate event_log",
        "insert into event_log (position, event_id) overriding system value values (99, gen_random_uuid())",
        "select setval('event_log_position_seq', 1)",
        "alter table event_log disable trigger all",
        "drop table accounts",
        "create table more (n int)",
    ],
)
def test_the_role_that_writes_cannot_change_what_was_appended(as_role, statement):
    assert_refused(as_role("muster_write"), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into accounts select * from accounts",
        "update accounts set status = 'closed'",
        "delete from memberships",
        "select * from accounts",
        "select * from command_log",
        "insert into event_log (event_id) values (gen_random_uuid())",
        "select redact_events_of(gen_random_uuid(), 1)",
    ],
)
def test_the_role_that_projects_cannot_change_anything(as_role, statement):
    """Nor read more of the state than is published."""
    assert_refused(as_role("muster_project"), statement)


async def test_the_role_that_projects_reads_the_log_and_says_who_holds_it_up(as_role, database_url):
    async with unsafe_log(as_role("muster_project")).connect() as reader:
        with log_held(database_url) as pid:
            holder = await until(lambda: reader.holder(after=0))
        assert (holder.pid, await reader.read(after=0, limit=10)) == (pid, [])


async def test_everything_is_projected_and_verified_under_the_roles_of_the_projector(as_role, database_url, server):
    """In both servers; no difference is found."""
    log, directory = (kind(as_role("muster_project")) for kind in (unsafe_log, PostgresDirectory))
    async with postgres_write_side(as_role("muster_write")) as write_side, connect(url_of(server, "project")) as client:
        await Writer(write_side, seed=1461).send(100)
        hand = HandInRedis(client)
        for projection in PROJECTIONS:
            await hand.subject(projection).model.attest()
            await fill(hand, await write_side.events_after(0), projection)
            assert told(await verify(hand, log, projection, directory=directory)) == set()


async def test_everything_is_read_under_the_user_of_the_read_side(server):
    """And what is announced is heard."""
    with Redis.from_url(url_of(server, "project")) as project:
        RedisProjection(project).commit(*PEOPLE, position=7)
    connect_reader, freshness = connector(url_of(server, "read")), Freshness(patience=5)
    async with RedisProfileViews(connect_reader, freshness=freshness) as views:
        assert (await views.by_id(str(PEOPLE[0].account_id))).position == 7
        assert (await views.list(ProfileQuery())).documents
        await until(lambda: somebody_listens(server))


async def somebody_listens(server: EmbeddedRedis) -> int:
    with Redis.from_url(server.url) as owner:
        [(_, count)] = owner.pubsub_numsub(ProjectionKeys("profiles").announce)
    return count


def unsafe_log(url: str) -> PostgresEventLog:
    return PostgresEventLog(url, allow_unsafe=True)


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("read", ("SET", "muster:{0}:profiles:live", "x")),
        ("read", ("HSET", "muster:{0}:profiles:g:x", "a", "b")),
        ("read", ("DEL", "muster:{0}:limit:read:x")),
        ("read", ("PUBLISH", "muster:{0}:profiles:announce", "x")),
        ("read", ("SCAN", "0")),
        ("read", ("GET", "others")),
        ("read", ("FLUSHALL",)),
        ("read", ("CONFIG", "GET", "requirepass")),
        ("project", ("SET", "others", "x")),
        ("project", ("FLUSHALL",)),
        ("project", ("KEYS", "*")),
        ("project", ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")),
        ("project", ("ACL", "LIST")),
        ("write", ("GET", "muster:{0}:profiles:live")),
        ("write", ("SET", "muster:{0}:profiles:live", "x")),
        ("write", ("SUBSCRIBE", "muster:{0}:profiles:announce")),
    ],
)
def test_what_is_none_of_its_business_is_refused_to_a_user_of_redis(server, user, command):
    with Redis.from_url(url_of(server, user)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)


@pytest.mark.parametrize("user", ["read", "write", "project"])
def test_every_process_may_count_requests(server, user):
    """By a script that is given its key, as the limits do."""
    with Redis.from_url(url_of(server, user)) as client:
        count = client.register_script("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
        assert count(keys=[limit_key("read", "x")], args=[7]) == b"7"
        with pytest.raises(NoPermissionError):
            count(keys=["others"], args=[7])


def assert_refused(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)
