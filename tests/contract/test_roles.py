"""Each process under a role of its own, as `docs/roles` has them: it can do its work, and nothing else."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import psycopg
import pytest
from alembic import command
from redis import Redis
from redis.exceptions import NoPermissionError

from projector.adapters.postgres.deliveries import PostgresGivenUpDeliveries
from projector.adapters.postgres.directory import PostgresDirectory
from projector.adapters.postgres.traces import PostgresTraces
from projector.cli.layout import layouts_at
from projector.projections.registry import PROJECTIONS
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from read_side.views import ProfileQuery
from shared.auth.adapters.redis.sessions import RedisSessions
from shared.auth.principal import READ, Principal
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.errors import Unavailable
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.events.erasure import AccountErased
from shared.problems import INVALID, Refusal
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts
from shared.read_model.ordering import STATUSES
from shared.redis.client import connect
from shared.settings import Settings
from tests.contract.crowds import crowd
from tests.contract.random_commands import Writer
from tests.support import roles
from tests.support.patience import SECONDS, patient_connector, until
from tests.support.read_side import RedisProjection
from tests.support.sessions import another_database, log_held
from tests.support.verifying import HandInRedis, differences_in, fill, verify
from tests.support.write_side import postgres_write_side, register
from write_side.adapters.postgres.migrate import config_for, migrate
from write_side.adapters.postgres.shard_locks import PostgresShardLocks
from write_side.bus.backlog import Backlog
from write_side.bus.entries import ANSWERS, Poison, commands, settled
from write_side.bus.limits import BusLimits
from write_side.bus.stream import ShardStream

PEOPLE = crowd(20)
OWNERS = """
    select pg_get_userbyid(relowner) from pg_class where relnamespace = 'public'::regnamespace
     union select pg_get_userbyid(proowner) from pg_proc where pronamespace = 'public'::regnamespace"""


@pytest.fixture
def as_role(database_url):
    """Gives the URL of the database for a role."""
    roles.make_owner(database_url)
    roles.make_roles(database_url)
    yield partial(roles.as_role, database_url)
    with psycopg.connect(database_url, autocommit=True) as superuser:
        superuser.execute(f"drop owned by {roles.OWNER}, {', '.join(roles.PROCESSES)}")


@pytest.fixture(scope="module")
def server_with_users(server_home) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(server_home / "redis-with-users", options=roles.users()) as server:
        yield server


@pytest.fixture
def server(server_with_users) -> EmbeddedRedis:
    with Redis.from_url(server_with_users.url) as owner:
        owner.flushall()
    return server_with_users


def test_a_database_is_migrated_from_nothing_by_the_role_that_owns_it(database_url):
    with another_database(database_url) as url:
        roles.make_owner(url)

        migrate(roles.as_role(url, roles.OWNER))

        assert owners(url) == {roles.OWNER}
        roles.make_roles(url)


@pytest.mark.parametrize("release", ["0001", "head"])
def test_what_another_role_has_made_becomes_the_owners(database_url, release):
    """Who migrates on from any release needs nothing of that other role."""
    with another_database(database_url) as url:
        command.upgrade(config_for(url), release)

        roles.make_owner(url)
        migrate(roles.as_role(url, roles.OWNER))

        assert owners(url) == {roles.OWNER}


def owners(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {role for (role,) in connection.execute(OWNERS)}


def test_the_role_that_owns_the_tables_owns_nothing_else(as_role):
    assert_refused(
        as_role(roles.OWNER),
        "create role another",
        "create database another",
        "create schema another",
        "alter role muster_write superuser",
        "grant pg_read_all_data to muster_migrate",
        "alter system set fsync = off",
        "set session_replication_role = replica",
        "select * from pg_authid",
        "copy (select 1) to program 'true'",
    )


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


def test_the_role_that_writes_cannot_change_what_was_appended(as_role):
    assert_refused(
        as_role("muster_write"),
        "update event_log set type = 'x'",
        "delete from event_log",
        "truncate event_log",
        "insert into event_log (position, event_id) overriding system value values (99, gen_random_uuid())",
        "select setval('event_log_position_seq', 1)",
        "alter table event_log disable trigger all",
        "drop table accounts",
        "create table more (n int)",
    )


def test_the_role_that_projects_cannot_change_anything(as_role):
    """Nor read more of the state than is published."""
    assert_refused(
        as_role("muster_project"),
        "insert into accounts select * from accounts",
        "update accounts set status = 'closed'",
        "delete from memberships",
        "select * from accounts",
        "select * from command_log",
        "insert into event_log (event_id) values (gen_random_uuid())",
        "select redact_events_of(gen_random_uuid(), 1)",
    )


async def test_the_role_that_projects_retries_deliveries_and_cannot_make_or_move_any(as_role):
    given_up = PostgresGivenUpDeliveries(as_role("muster_project"))

    assert not await given_up.retry(UUID(int=1), now=datetime.now(UTC))
    assert (await given_up.read()).given_up == 0
    assert_refused(
        as_role("muster_project"),
        "select secret from webhooks",
        "delete from deliveries",
        "update deliveries set account_id = gen_random_uuid()",
    )


async def test_who_may_not_look_everywhere_hears_so_before_anybody_is_erased(as_role):
    """The role that proves may; that of the projector may not look into the state."""
    await PostgresTraces(as_role("muster_prove")).require_readable()

    with pytest.raises(Unavailable, match="look with the rights of muster_prove"):
        await PostgresTraces(as_role("muster_project")).require_readable()


def test_the_role_that_proves_changes_nothing(as_role):
    assert_refused(
        as_role("muster_prove"),
        "delete from accounts",
        "update event_log set type = 'x'",
        "select redact_events_of(gen_random_uuid(), 1)",
    )


async def test_the_role_that_projects_reads_the_log_and_says_who_holds_it_up(as_role, database_url):
    async with unsafe_log(as_role("muster_project")).connect() as reader:
        with log_held(database_url) as pid:
            holder = await until(lambda: reader.holder(after=0))
        assert (holder.pid, await reader.read(after=0, limit=10)) == (pid, [])


async def test_everything_is_projected_and_verified_under_the_roles_of_the_projector(as_role, database_url, server):
    """In both servers; no difference is found."""
    log, directory = (kind(as_role("muster_project")) for kind in (unsafe_log, PostgresDirectory))
    client = connect(roles.as_user(server, "project"))
    async with postgres_write_side(as_role("muster_write")) as write_side, client:
        await Writer(write_side, seed=1461).send(100)
        hand = HandInRedis(client)
        for projection in PROJECTIONS:
            await hand.subject(projection).model.attest()
            await fill(hand, await write_side.events_after(0), projection)
            assert differences_in(await verify(hand, log, projection, directory=directory)) == set()


async def test_everything_is_read_under_the_user_of_the_read_side(server):
    """And what is announced is heard."""
    with Redis.from_url(roles.as_user(server, "project")) as project:
        RedisProjection(project).commit(*PEOPLE, position=7)
    connect_reader = patient_connector(roles.as_user(server, "read"))
    freshness = Freshness("profiles", patience=SECONDS)
    async with RedisProfileViews(connect_reader, freshness=freshness) as views:
        assert (await views.by_id(str(PEOPLE[0].account_id))).position == 7
        two_tags = ProfileQuery(
            statuses=tuple(STATUSES), tags=next(each.tags for each in PEOPLE if len(each.tags) == 2)
        )
        for query in (ProfileQuery(), ProfileQuery(words=("a",), order="handle"), two_tags):
            assert (await views.list(query)).documents
        await until(lambda: listeners_of(server))


async def test_shards_are_locked_by_the_role_that_writes(as_role):
    locks = PostgresShardLocks(as_role("muster_write"))

    assert await locks.consumers() == 1
    assert await locks.take(0)
    await locks.aclose()


async def test_a_shard_is_consumed_under_the_user_of_the_bus(server):
    """What a producer has sent under its own user, which reads the answer."""
    with Redis.from_url(roles.as_user(server, "producer")) as producer:
        sent = producer.xadd(commands(0), {"command": b"{"})
        async with connect(roles.as_user(server, "consume")) as client:
            stream = ShardStream(client, 0, consumer="one", limits=BusLimits())
            await stream.open()
            [message] = await stream.take()
            await stream.settle([settled(message, Poison(Refusal(INVALID, "no")))])
            await Backlog(client, shards=1).measure()
        assert message.id == sent.decode()
        assert producer.xread({ANSWERS: "0"})


def listeners_of(server: EmbeddedRedis) -> int:
    with Redis.from_url(server.url) as owner:
        [(_, count)] = owner.pubsub_numsub(HOME.projection("profiles").announce)
    return count


def unsafe_log(url: str) -> PostgresEventLog:
    return PostgresEventLog(url, allow_unsafe=True)


FORBIDDEN = {
    "read": [
        "SET muster:{0}:profiles:live x",
        "HSET muster:{0}:profiles:g:x a b",
        "DEL muster:{0}:limit:read:x",
        "DEL muster:{0}:profiles:live",
        "PUBLISH muster:{0}:profiles:announce x",
        "SPUBLISH muster:{0}:profiles:announce x",
        "SCAN 0",
        "GET others",
        "FLUSHALL",
        "CONFIG GET requirepass",
    ],
    "project": [
        "SET others x",
        "FLUSHALL",
        "KEYS *",
        "CONFIG SET maxmemory-policy allkeys-lru",
        "ACL LIST",
        "CLUSTER RESET",
    ],
    "write": [
        "GET muster:{0}:profiles:live",
        "SET muster:{0}:profiles:live x",
        "SUBSCRIBE muster:{0}:profiles:announce",
        "SSUBSCRIBE muster:{0}:profiles:announce",
        "DEL muster:{0}:limit:write:x",
    ],
    "consume": ["GET muster:{0}:profiles:live", "XADD others * a b", "FLUSHALL", "DEL muster:{bus}:answers"],
    "producer": ["XREAD STREAMS muster:{bus}:dead-letters 0", "XADD muster:{bus}:answers * a b", "GET others"],
    "prove": ["SET muster:{0}:profiles:live x", "DEL others", "KEYS *", "PUBLISH muster:{0}:profiles:announce x"],
}


@pytest.mark.parametrize(("user", "command"), [(user, each) for user, all_ in FORBIDDEN.items() for each in all_])
def test_what_is_none_of_its_business_is_refused_to_a_user_of_redis(server, user, command):
    with Redis.from_url(roles.as_user(server, user)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())


@pytest.mark.parametrize(("page", "other"), [("read", "write"), ("write", "read")])
async def test_who_signs_in_at_a_page_of_one_api_is_known_to_the_other_until_they_sign_out(server, page, other):
    """At the people page, and at the docs of the write API."""
    link = Principal("ada", frozenset({READ}), f"a-link-to-{page}", "k1", time.time() + 900)
    async with connect(roles.as_user(server, page)) as at, connect(roles.as_user(server, other)) as elsewhere:
        sessions = RedisSessions(at, keyspace=HOME)
        name = await sessions.begin(link)
        assert await sessions.begin(link) is None
        assert (await RedisSessions(elsewhere, keyspace=HOME).find(name)).subject == "ada"

        await sessions.end(name)

        assert await RedisSessions(elsewhere, keyspace=HOME).find(name) is None


@pytest.mark.parametrize("user", ["read", "write", "project"])
def test_every_process_may_count_requests(server, user):
    """By a script that is given its key, as the limits do."""
    with Redis.from_url(roles.as_user(server, user)) as client:
        count = client.register_script("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
        assert count(keys=[HOME.limit("read", "x")], args=[7]) == b"7"
        with pytest.raises(NoPermissionError):
            count(keys=["others"], args=[7])


def assert_refused(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        assert [each for each in statements if not is_refused(connection, each)] == []


def is_refused(connection: psycopg.Connection, statement: str) -> bool:
    try:
        connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


async def test_the_user_of_the_read_side_is_told_that_there_is_one_partition(server):
    """Also by a directory that a release has filled which recorded no number."""
    with Redis.from_url(roles.as_user(server, "project")) as project:
        RedisProjection(project).commit(*PEOPLE, position=7)
    reads = Settings.load({"MUSTER_REDIS_URL": roles.as_user(server, "read")})

    assert await layouts_at(reads) == Layouts(live=1)
