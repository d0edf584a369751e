"""Nothing that is sent becomes the name of a key in Redis, or a part of a statement in PostgreSQL."""

import re
from hashlib import sha256
from urllib.parse import quote

import psycopg
import pytest
from redis import Redis

from read_side.http.app import read_api
from read_side.services import redis_views, register_views
from shared.auth.adapters.redis.buckets import RedisBuckets
from shared.auth.adapters.redis.sessions import RedisSessions
from shared.auth.setup import admit_everyone
from shared.http.parsing.cursors import Cursor
from shared.postgres.pipeline import Pipeline
from shared.read_model.keys import HOME
from shared.redis.client import connect, connector
from shared.settings import Rate
from tests.hostile.texts import SEGMENTS, TEXTS, addresses
from tests.support.apps import app_client
from tests.support.directory import GROUPS, HAPPENED, JUDICIARY, MEMBERSHIPS, PEOPLE, STATS
from tests.support.patience import patient_connector
from tests.support.read_side import (
    ADA,
    BOB,
    PATIENCE,
    RedisActivity,
    RedisGroups,
    RedisProjection,
    RedisStats,
    changed,
)
from tests.support.write_side import ANDRE
from write_side.http.app import write_api
from write_side.services import register_postgres

MARK = "zq7"
"""Begins each text, and occurs nowhere else."""

OTHER = changed(BOB, display_name="Bob", given_name=None, family_name=None, tags=("logic",))
MARKED = [MARK + text for text in TEXTS.values()]
_arguments = re.compile(r'"((?:[^"\\]|\\.)*)"').findall
KEYLESS = {"AUTH", "CLIENT", "ECHO", "EXEC", "HELLO", "INFO", "MULTI", "PING", "TIME"}
SCRIPT = {"EVALSHA", "EVAL", "SCRIPT"}


class Monitor:
    """Every command that a server carries out."""

    def __init__(self, client):
        self._client = client
        self._connection = client.connection_pool.get_connection()
        self._connection.send_command("MONITOR")
        assert self._connection.read_response() in {b"OK", "OK"}

    def commands(self):
        """Those until now, as lists of words in which Redis has escaped what cannot be shown."""
        self._client.echo("until-now")
        while (words := _arguments(str(self._connection.read_response(), "ascii")))[-1] != "until-now":
            yield [words[0].upper(), *words[1:]]


@pytest.fixture
def server(valkey):
    with Redis.from_url(valkey.start().url) as client:
        client.flushall()
        yield client


@pytest.fixture
async def read_side(server, valkey):
    """The read API on a small directory."""
    RedisProjection(server).commit(ADA, OTHER, position=7)
    RedisGroups(server).commit(*GROUPS, people=PEOPLE, memberships=MEMBERSHIPS, position=7)
    RedisActivity(server).commit(*((ADA.account_id, each) for each in HAPPENED), position=7)
    RedisStats(server).commit(STATS, position=7)

    def register_redis(registry):
        register_views(registry, redis_views(patient_connector(valkey.url), patience=PATIENCE))

    async with app_client(read_api, admit_everyone, register_redis) as client:
        yield client


def our_keys():
    """All that the read side may read, as `shared.read_model.keys` names them."""
    for views in redis_views(connector("redis://"), patience=PATIENCE).values():
        keys = HOME.projection(views.projection)
        generation = keys.generation("g1")
        yield from (keys.live, keys.announce, generation.checkpoint, *views.names(generation).values())


async def test_no_question_names_a_key(read_side, server):
    """Whatever is asked is a field, or an end of a range: all keys are those that `shared.read_model.keys` names."""
    monitor = Monitor(server)

    answers = [await read_side.get(path) for each in SEGMENTS for path in addresses(MARK + each)]
    keys = {"handles": MARKED, "emails": MARKED, "external_ids": MARKED}
    answers.append(await read_side.post("/profiles/batch-get", json=keys))

    sent = [words for words in monitor.commands() if words[0] not in KEYLESS]
    assert {each.status_code for each in answers} == {200, 404, 422}
    assert {words[1] for words in sent} <= set(our_keys())
    assert {words[0] for words in sent if MARK in str(words[2:])} == {"HMGET", "ZRANGE", "ZLEXCOUNT"}


FORGED = [
    b"",
    b"\0",
    b"\xff" * 20,
    *(prefix + JUDICIARY.group_id.bytes for prefix in (b"", b"a", b"*a", b"g", b"(", b"[")),
    *(prefix + OTHER.account_id.bytes for prefix in (b"", b"bob", b"\0" * 17)),
]


@pytest.mark.parametrize(
    "path",
    [
        "/groups/ssju/members?role=Chairman",
        "/profiles?q=lovelace",
        "/profiles?q=lovelace&sort=-handle",
        "/profiles?tag=mathematics",
        "/profiles?tag=mathematics&sort=-display_name",
    ],
)
async def test_a_forged_cursor_leads_nowhere_else(read_side, monkeypatch, path):
    """Although it has the right check: what is shown is on the list, which has Ada alone."""
    monkeypatch.setattr(Cursor, "is_of", lambda *_: True)

    cursors = [Cursor.behind(each + b"\0" + OTHER.account_id.bytes, query=b"") for each in FORGED]
    answers = [await read_side.get(f"{path}&cursor={each}") for each in cursors]

    assert {each.status_code for each in answers} == {200}
    shown = [each["account_id"] for answer in answers for each in answer.json()["items"]]
    assert {str(ADA.account_id)} == set(shown)


async def test_no_subject_and_no_session_names_a_key(server, valkey):
    """Limits and sessions are kept by hashes."""
    monitor = Monitor(server)
    async with connect(valkey.url) as client:
        for text in MARKED:
            await RedisBuckets(client, Rate(1, 1), name="read", keyspace=HOME).draw(text, wanted=1, returned=0)
            await RedisSessions(client, keyspace=HOME).find(text)

    sent = [words for words in monitor.commands() if words[0] not in KEYLESS]
    touched = {words[3] if words[0] in SCRIPT else words[1] for words in sent if words[0] != "SCRIPT"}
    digests = [sha256(text.encode()).hexdigest() for text in MARKED]
    assert touched == {HOME.limit("read", each) for each in digests} | {HOME.session(each) for each in digests}


@pytest.fixture
def statements(monkeypatch):
    """What is sent to PostgreSQL, and the values beside it."""
    sent = []
    execute, send = psycopg.AsyncCursor.execute, Pipeline._send

    async def note(cursor, statement, parameters=None, **more):
        sent.append((str(statement), str(parameters)))
        return await execute(cursor, statement, parameters, **more)

    def note_of_batch(pipeline, statement, parameters):
        sent.append((statement, str(parameters)))
        return send(pipeline, statement, parameters)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", note)
    monkeypatch.setattr(Pipeline, "_send", note_of_batch)
    return sent


def commands(text, nth, account):
    """Each with the text in all the places that take it."""
    handle = {"handle": f"h{nth}", "email": f"{nth}@example.org", "display_name": text}
    shown = {"given_name": text, "bio": text, "tags": [text], "links": {text: f"x://{quote(text)}"}}
    one = {"account": account}
    yield "register-account", {**handle, **shown, "external_id": text, "attributes": {text: text}}
    yield "update-profile", {**one, **shown, "attributes": {text: text}}
    yield "change-email", {**one, "email": f"{text}@example.org"}
    yield "suspend-account", {**one, "reason": text}
    yield "suspend-account", {"account": f"ext:{text}"}
    yield "reinstate-account", {**one, "reason": text}
    yield "create-group", {"slug": f"s{nth}", "name": text, "description": text, "external_id": text}
    yield "update-group", {"group": f"s{nth}", "name": f"{text} again"}
    yield "add-group-member", {**one, "group": f"s{nth}", "role": text}


async def test_no_value_is_part_of_a_statement(database_url, statements):
    """It travels beside it, as a parameter."""

    def register(registry):
        register_postgres(registry, url=database_url, allow_unsafe=True)

    async with app_client(write_api, admit_everyone, register) as client:
        account = (await client.post("/commands/register-account", json=ANDRE)).json()["id"]
        answers = [
            await client.post(f"/commands/{name}", json=fields, headers={"Idempotency-Key": f"{MARK}-{nth}-{number}"})
            for nth, text in enumerate(MARKED)
            for number, (name, fields) in enumerate(commands(text, nth, account))
        ]

    assert {each.status_code for each in answers} == {200, 422}
    assert [statement for statement, _ in statements if MARK in statement] == []
    sent = "".join(values for _, values in statements)
    assert all(word in sent for word in (f"{MARK}'; drop table", f"{MARK}%_%", f"{MARK}-0-0"))
