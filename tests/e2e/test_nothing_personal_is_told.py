"""Logs, metrics, problems, jobs and the bus carry ids, never what people are called or how they are reached."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

from tests.support.bus import BusClient
from tests.support.patience import wait_until
from tests.support.served import CONSUME, served
from tests.support.stack import Stack
from write_side.bus.entries import ANSWERS, DEAD_LETTERS, commands

NDJSON = "application/x-ndjson"
WORD = f"e11{uuid4().hex[:10]}"
"""Part of every value that is sent, in whatever case."""
ALL_IS_SCHEDULED_FOR = "select position >= (select max(position) from event_log) from reaction_checkpoint"


def values(number: int = 0) -> dict[str, Any]:
    return {
        "email": f"{WORD}.{number}@example.org",
        "handle": f"{WORD}.{number}",
        "display_name": f"Ann {WORD}",
        "external_id": f"hr:{WORD}:{number}",
        "given_name": WORD,
        "family_name": f"O'{WORD}",
        "title": f"Dr {WORD}",
        "bio": f"About {WORD}",
        "picture_url": f"https://example.org/{WORD}.jpg",
        "links": {f"l{WORD}": f"https://example.org/{WORD}"},
        "tags": [f"t{WORD}"],
        "attributes": {f"a{WORD}": f"v{WORD}"},
    }


class Consumer(NamedTuple):
    """A consumer of the bus, what it was sent, and its log."""

    url: str
    bus: BusClient
    log: Path


class Clients:
    """A client that sends commands and queries; keeps all that is answered with a problem."""

    def __init__(self, stack: Stack, client: httpx.Client) -> None:
        self._stack, self._client = stack, client
        self.problems: list[str] = []

    def command(self, name: str, /, **fields: Any) -> dict[str, Any]:
        return self._noted(self._client.post(f"{self._stack.addresses.write}/commands/{name}", json=fields))

    def raw(self, path: str, content: bytes, **headers: str) -> None:
        self._noted(self._client.post(f"{self._stack.addresses.write}{path}", content=content, headers=headers))

    def ask(self, path: str, **headers: str) -> None:
        self._noted(self._client.get(f"{self._stack.addresses.read}{path}", headers=headers))

    def post_read(self, path: str, body: Any) -> None:
        self._noted(self._client.post(f"{self._stack.addresses.read}{path}", json=body))

    def _noted(self, answer: httpx.Response) -> dict[str, Any]:
        told: dict[str, Any] = answer.json() if answer.headers["content-type"].endswith("json") else {}
        if answer.is_error or answer.headers["content-type"] == NDJSON:
            self.problems.append(answer.text)
        return told


@pytest.fixture(scope="module")
def consumer(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """Messages, good, refused and poison, and what carried them out; afterwards no stream of the bus is left."""
    log = tmp_path_factory.mktemp("bus") / "consumers.log"
    settings = {"MUSTER_DATABASE_URL": stack.addresses.database_url, "MUSTER_BUS_URL": stack.addresses.redis_url}
    with served(CONSUME, log=log, **settings, MUSTER_BUS_SHARDS="1") as process, stack.redis() as redis:
        bus = BusClient(redis, shards=1)
        redis.delete(ANSWERS, DEAD_LETTERS)  # of others who used the bus of the stack
        for message in (
            {"command": "register-account", **values(4)},
            {"command": "register-account", **values(4)},
            {"command": "change-handle", "account": f"@no{WORD}", "handle": "x"},
            {"command": "register-account", **values(5), "nickname": WORD, "email": f"{WORD} at example"},
            {"command": WORD},
        ):
            bus.send(WORD, json.dumps(message).encode())
        bus.send(WORD, f'{{"command": "{WORD}'.encode())
        wait_until(lambda: not bus.left())
        yield Consumer(process.url, bus, log)
        redis.delete(ANSWERS, DEAD_LETTERS, commands(0))


@pytest.fixture(scope="module")
def clients(stack: Stack) -> Iterator[Clients]:
    """A full run: every command, good and bad, and every question."""
    with httpx.Client(headers=stack.headers, trust_env=False, timeout=60) as client:
        clients = Clients(stack, client)
        _send_what_is_right(clients)
        _send_what_is_refused(clients)
        _send_what_is_wrong(clients)
        _ask(clients)
        yield clients


def _send_what_is_right(clients: Clients) -> None:
    one = clients.command("register-account", **values())["id"]
    clients.command("register-account", **values(1))
    group = clients.command("create-group", slug=f"s{WORD}", name=f"Group {WORD}", description=WORD)["id"]
    clients.command("update-group", group=group, name=f"Other {WORD}")
    clients.command("add-group-member", group=group, account=one, role=f"role {WORD}")
    clients.command("change-member-role", group=group, account=one, role=f"other {WORD}")
    clients.command("change-handle", account=one, handle=f"x{WORD}")
    clients.command("change-email", account=one, email=f"x{WORD}@example.org")
    clients.command("update-profile", account=one, bio=f"more of {WORD}")
    for what in ("suspend", "reinstate", "close"):
        clients.command(f"{what}-account", account=f"@x{WORD}", reason=f"because of {WORD}")
    clients.command("remove-group-member", group=group, account=one)
    clients.command("erase-account", account=one)
    clients.command("delete-group", group=f"s{WORD}")


def _send_what_is_refused(clients: Clients) -> None:
    there = values(1)
    for field in ("email", "handle", "external_id"):
        clients.command("register-account", **{**values(2), field: there[field]})
    for name, fields in {
        "change-handle": {"account": f"@no{WORD}", "handle": "x"},
        "change-email": {"account": f"ext:no{WORD}", "email": f"{WORD}@example.org"},
        "erase-account": {"account": f"@no{WORD}"},
        "suspend-account": {"account": f"@no{WORD}", "reason": WORD},
        "update-group": {"group": f"no-{WORD}", "name": WORD},
        "add-group-member": {"group": f"no-{WORD}", "account": f"@{WORD}.1"},
        "remove-group-member": {"group": f"no-{WORD}", "account": f"@{WORD}.1"},
    }.items():
        clients.command(name, **fields)


def _send_what_is_wrong(clients: Clients) -> None:
    for field, wrong in {
        "email": f"{WORD} at example",
        "handle": f"-{WORD}-",
        "display_name": f"{WORD}\n",
        "locale": WORD,
        "time_zone": WORD,
        "picture_url": f"ftp:{WORD}",
        "links": {"x": WORD},
        "tags": [WORD * 20],
        "attributes": {"x": WORD * 300},
        "account_id": WORD,
        "title": [WORD],
    }.items():
        clients.command("register-account", **{**values(3), field: wrong})
    clients.command("register-account", **values(3), nickname=WORD)
    clients.command("suspend-account", account=WORD)
    clients.raw("/commands/register-account", f'{{"email": "{WORD}@example.org"'.encode())
    clients.raw("/commands/register-account", WORD.encode(), **{"Content-Type": "text/plain"})
    clients.raw(f"/commands/{WORD}", b"{}", **{"Content-Type": "application/json"})
    for line in ({"command": WORD}, {"command": "suspend-account", "account": f"@no{WORD}"}):
        clients.raw("/commands", json.dumps({"idempotency_key": WORD, **line}).encode(), **{"Content-Type": NDJSON})


def _ask(clients: Clients) -> None:
    for path in (
        f"/profiles/by-handle/{WORD}.1",
        f"/profiles/by-handle/no{WORD}",
        f"/profiles/by-email/{WORD}.1@example.org",
        f"/profiles/by-email/no{WORD}@example.org",
        f"/profiles/by-external-id/hr:{WORD}:1",
        f"/profiles/by-external-id/no{WORD}",
        f"/profiles/by-email/{WORD}@example.org/more",
        f"/profiles/{WORD}",
        f"/profiles/{WORD}/export",
        f"/{WORD}",
        f"/profiles?q={WORD}",
        f"/profiles?tag=t{WORD}",
        f"/profiles?sort={WORD}",
        f"/profiles?status={WORD}",
        f"/profiles?cursor={WORD}",
        f"/groups/{WORD}",
        f"/groups/{WORD}/members?role={WORD}",
        f"/groups?q={WORD}",
    ):
        clients.ask(path)
    clients.ask("/profiles", **{"Muster-Min-Position": WORD})
    clients.post_read("/profiles/batch-get", {"handles": [f"{WORD}.1", f"no{WORD}"], "ids": [WORD]})
    clients.post_read("/profiles", {"x": WORD})


def test_no_process_writes_it_down(stack, clients):
    """Neither ours nor the servers: PostgreSQL too tells of what it refuses."""
    logs = [path for path in (stack.home / "logs").iterdir() if path.is_file()]

    processes = {"write", "read", "project", "react", "postgres", "redis"}
    assert {path.stem for path in logs} >= processes
    assert [
        line for path in (*logs, stack.log) for line in path.read_text(errors="replace").splitlines() if _has(line)
    ] == []


def test_no_metric_has_it(stack, clients):
    with httpx.Client(headers=stack.headers, trust_env=False, timeout=60) as client:
        for url in (stack.addresses.write, stack.addresses.read, stack.addresses.ops):
            assert not _has(client.get(f"{url}/metrics").text)
        assert not _has(client.get(f"{stack.addresses.ops}/status").text)


def test_nothing_of_the_bus_has_it(stack, clients, consumer):
    """Once a message is answered it is gone; what stays is kept for as long as others need it."""
    assert sorted(answer["status"] for _, answer in consumer.bus.answers()) == [200, 400, 404, 409, 422, 422]
    assert len(consumer.bus.dead_letters()) == 3
    assert not _has(str(consumer.bus.answers()) + str(consumer.bus.dead_letters()))
    assert not _has(httpx.get(f"{consumer.url}/metrics", trust_env=False).text)
    assert not _has(consumer.log.read_text())
    assert consumer.bus.left() == 0


def test_no_delivery_has_it(stack, clients):
    """Neither what waits nor what was given up; nor does a metric of the process that delivers."""
    with stack.database() as database:
        wait_until(lambda: database.execute(ALL_IS_SCHEDULED_FOR).fetchone()[0])
        [(told, waiting)] = database.execute(
            "select count(*) filter (where row::text ilike %s), count(*) from deliveries as row", [f"%{WORD}%"]
        )

    assert waiting > 0  # reminders
    assert told == 0


def test_no_problem_quotes_it(clients):
    """A refused client knows what it has sent, but a proxy keeps what is answered."""
    assert len(clients.problems) > 30
    assert [each for each in clients.problems if _has(each)] == []


def test_no_event_says_who_sent_it_by_name(stack, clients):
    """Nor does the log of commands keep what they said, but for a keyed hash."""
    with stack.database() as database:
        [(told,)] = database.execute("select count(*) from event_log where metadata::text ilike %s", [f"%{WORD}%"])
        [(kept,)] = database.execute("select count(*) from command_log as row where row::text ilike %s", [f"%{WORD}%"])

    assert (told, kept) == (0, 0)


def _has(text: str) -> bool:
    return WORD in text.lower()
