"""The write API on memory: statuses, headers and problem details."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from shared.auth.setup import admit_everyone
from shared.errors import Unavailable
from shared.http.limits import HttpLimits
from shared.problems import Refusal
from tests.support.apps import app_client
from tests.support.clock import SettableClock
from tests.support.write_side import ANDRE, register_on
from write_side.adapters.memory import MemoryDatabase
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Invocation
from write_side.execution.messages import MAX_MESSAGE_BYTES
from write_side.execution.observation import Observation
from write_side.execution.refusals import STORAGE_UNAVAILABLE
from write_side.http.app import write_api
from write_side.ports import Answer, CommandContext, Outcome


class FailingDatabase(MemoryDatabase):
    """Fails at the commands named in `fails`."""

    def __init__(self) -> None:
        super().__init__(clock=SettableClock())
        self.fails: dict[str, Exception] = {}

    def answer(self, context: CommandContext) -> Answer | None:
        if context.command in self.fails:
            raise self.fails[context.command]
        return super().answer(context)


@pytest.fixture
def store() -> FailingDatabase:
    return FailingDatabase()


@pytest.fixture
async def client(store) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(write_api, admit_everyone, partial(register_on, store)) as client:
        yield client


async def post(client: httpx.AsyncClient, name: str, headers: dict[str, str] | None = None, **fields) -> httpx.Response:
    return await client.post(f"/commands/{name}", json=fields, headers=headers)


async def stream(client: httpx.AsyncClient, *lines: dict[str, str]) -> list[dict[str, Any]]:
    content = b"\n".join(map(msgspec.json.encode, lines))
    answer = await client.post("/commands", content=content, headers={"Content-Type": "application/x-ndjson"})
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_command_answers_id_version_and_position(client):
    answer = await post(client, "register-account", **ANDRE)

    assert answer.status_code == 200
    assert answer.json() == {"id": answer.json()["id"], "version": 1, "position": 2}
    assert (answer.headers["muster-position"], answer.headers["etag"]) == ("2", '"1"')
    assert "idempotency-replayed" not in answer.headers


async def test_a_repeated_key_says_that_it_replays(client):
    first = await post(client, "register-account", {"Idempotency-Key": "k"}, **ANDRE)
    again = await post(client, "register-account", {"Idempotency-Key": "k"}, **ANDRE)

    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_refusal_is_a_problem_with_the_id_of_its_request(client):
    await post(client, "register-account", **ANDRE)

    answer = await post(client, "register-account", {"Request-Id": "my-request"}, **ANDRE)

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["request-id"] == "my-request"
    assert answer.json() == {
        "type": "/problems/email-taken",
        "title": "The e-mail address is taken",
        "status": 409,
        "detail": "The e-mail address is taken",
        "request_id": "my-request",
    }
    assert (await client.get(answer.json()["type"])).status_code == 200


async def test_an_ill_formed_request_id_is_replaced(client):
    answer = await client.get("/livez", headers={"Request-Id": "no good"})

    assert answer.headers["request-id"] != "no good"


async def test_the_expected_version_is_a_quoted_number(client):
    await post(client, "register-account", **ANDRE)

    right = await post(client, "suspend-account", {"If-Match": '"1"'}, account="@andre.carson")
    stale = await post(client, "reinstate-account", {"If-Match": '"1"'}, account="@andre.carson")
    wrong = await post(client, "reinstate-account", {"If-Match": "1"}, account="@andre.carson")

    assert [each.status_code for each in (right, stale, wrong)] == [200, 412, 422]
    assert wrong.json()["errors"][0]["pointer"] == "If-Match"


async def test_a_store_that_is_away_is_503_and_comes_back(client, store):
    store.available = False
    away = await post(client, "register-account", **ANDRE)
    store.available = True
    back = await post(client, "register-account", **ANDRE)

    assert (away.status_code, away.headers["retry-after"]) == (503, "1")
    assert away.json()["type"] == "/problems/storage-unavailable"
    assert back.status_code == 200


async def test_the_key_of_a_line_answers_for_30_days(client, store):
    """An import may be sent again long after it was broken off."""
    line = json.dumps({"command": "register-account", "idempotency_key": "one", **ANDRE})
    headers = {"Content-Type": "application/x-ndjson"}
    await client.post("/commands", content=line, headers=headers)
    store.clock.advance(timedelta(days=29))

    again = await client.post("/commands", content=line, headers=headers)

    assert json.loads(again.text)["replayed"]


async def test_a_stream_runs_line_by_line(client):
    """Each line sees all before it, and one that fails stops none."""
    lines = [
        {"command": "register-account", "idempotency_key": "one", **ANDRE},
        {"command": "close-account", "account": "@nobody"},
        {"command": "suspend-account", "account": "@andre.carson", "if_match": '"1"'},
        {"command": "no-such-thing"},
        {"command": "register-account", "idempotency_key": "one", **ANDRE},
    ]
    body = "\n".join(map(json.dumps, lines)) + "\n\nnot json\n" + "x" * (MAX_MESSAGE_BYTES + 1)

    answer = await client.post("/commands", content=body, headers={"Content-Type": "application/x-ndjson"})

    answers = [json.loads(line) for line in answer.text.splitlines()]
    alone = await post(client, "close-account", account="@nobody")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [(each["line"], each["status"]) for each in answers] == [
        (1, 200),
        (2, 404),
        (3, 200),
        (4, 422),
        (5, 200),
        (7, 400),
        (8, 413),
    ]
    assert [answers[n]["replayed"] for n in (0, 4)] == [False, True]
    assert [answers[1][part] for part in ("type", "title", "detail")] == [
        alone.json()[part] for part in ("type", "title", "detail")
    ]
    assert answers[3]["errors"][0]["pointer"] == "/command"


@pytest.mark.parametrize("version", ['"\N{ARABIC-INDIC DIGIT ONE}"', '"1" ', '"+1"'])
async def test_the_expected_version_of_a_line_is_written_as_in_a_header(client, version):
    """In JSON there could be digits of every script."""
    line = json.dumps({"command": "suspend-account", "account": "@andre.carson", "if_match": version})

    answer = await client.post("/commands", content=line, headers={"Content-Type": "application/x-ndjson"})

    assert [error["pointer"] for error in answer.json()["errors"]] == ["If-Match"]


async def test_no_line_overtakes_one_that_the_database_could_not_take(client, store):
    """A client that sends the rest again has it carried out in the order that was meant."""
    store.fails["change-email"] = Unavailable("away")

    answers = await stream(
        client,
        {"command": "register-account", **ANDRE},
        {"command": "change-email", "account": "@andre.carson", "email": "first@example.org"},
        {"command": "change-handle", "account": "@andre.carson", "handle": "second"},
    )

    assert [each["status"] for each in answers] == [200, 503, 503]
    assert answers[2]["type"] == "/problems/not-reached"


class FailsInTheMiddle:
    """Cannot carry out the second of three lines; stores the third as soon as the second counts as settled."""

    def __init__(self) -> None:
        self.all_came, self._both_run = asyncio.Event(), asyncio.Event()
        self._is_first = True

    async def execute(self, invocation: Invocation, _: Observation) -> Answer:
        place = invocation.place
        assert place is not None
        if self._is_first:
            self._is_first = False
            await self.all_came.wait()
        elif not place.number:
            await self._both_run.wait()
            raise Refusal(STORAGE_UNAVAILABLE, "planted")
        else:
            self._both_run.set()
            while not place.window.next:  # noqa: ASYNC110 - a window tells nobody
                await asyncio.sleep(0)
        return Answer(Outcome(UUID(int=1), 1, 1), replayed=False)


async def test_what_the_database_could_not_take_settles_nothing():
    """A line behind it that is under way is not stored either."""
    executor = FailsInTheMiddle()
    line = msgspec.json.encode({"command": "register-account", **ANDRE}) + b"\n"

    async def lines() -> AsyncIterator[bytes]:
        yield line
        yield 2 * line
        executor.all_came.set()

    def register(registry) -> None:
        registry.register_value(CommandExecutor, executor)

    async with app_client(write_api, admit_everyone, register) as client:
        answer = await client.post("/commands", content=lines(), headers={"Content-Type": "application/x-ndjson"})

    assert [msgspec.json.decode(each)["status"] for each in answer.text.splitlines()] == [200, 503, 503]


async def test_head_answers_like_get_without_the_body(client):
    get, head = await client.get("/openapi.json"), await client.head("/openapi.json")

    assert head.status_code == 200
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.content == b""


async def test_the_documentation_needs_nothing_from_elsewhere(client):
    page = (await client.get("/docs")).text

    assert "register-account" in page
    assert not re.search(r"<(script|img)|(src|href)=.?(https?:)?//|url\(|@import", page)


async def test_a_defect_tells_nothing_of_itself(client, store):
    """A 500 is a problem as well, and says no more than that."""
    del store.accounts

    with capture_logs() as logged:
        answer = await post(client, "suspend-account", account="@andre.carson")

    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal-error"
    assert "accounts" not in answer.text
    assert [(each["event"], each["request_id"]) for each in logged] == [
        ("unexpected error", answer.json()["request_id"])
    ]


async def test_a_line_that_meets_a_defect_stops_no_other(client, store):
    store.fails["suspend-account"] = RuntimeError("planted")

    with capture_logs():
        answers = await stream(
            client,
            {"command": "suspend-account", "account": "@andre.carson"},
            {"command": "register-account", **ANDRE},
        )

    assert [each["status"] for each in answers] == [500, 200]


async def test_a_command_is_posted_and_nothing_else(client):
    """With the methods that are allowed."""
    answers = [await client.request(method, "/commands/suspend-account") for method in ("GET", "PUT", "OPTIONS")]

    assert [(each.status_code, each.headers["Allow"]) for each in answers] == [(405, "POST")] * 3
    assert {each.json()["type"] for each in answers} == {"/problems/method-not-allowed"}


async def test_requests_are_counted_by_route(client):
    await post(client, "suspend-account", account="@nobody")

    metrics = (await client.get("/metrics")).text

    assert 'muster_http_requests_total{method="POST",route="/commands/suspend-account",status="404"}' in metrics


async def test_a_body_that_does_not_come_is_waited_for_in_bounds(store):
    """Nothing else would ever end the request."""

    def register(registry) -> None:
        register_on(store, registry)
        registry.register_value(HttpLimits, HttpLimits(body=0.01))

    async def body():
        yield b"{"
        await asyncio.Event().wait()

    async with app_client(write_api, admit_everyone, register) as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/commands/register-account", content=body(), headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (408, "/problems/too-slow")


async def test_what_is_not_taken_on_is_503_and_was_not_begun(store):
    """With the time after which to come again."""
    register = partial(register_on, store, at_once=0, most_waiting=0, permit_seconds=60)

    async with asyncio.timeout(30), app_client(write_api, admit_everyone, register) as client:
        answer = await post(client, "register-account", **ANDRE)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "/problems/overloaded"


@pytest.mark.parametrize(("headers", "mail"), [({}, True), ({"Muster-No-Mail": "true"}, False)])
async def test_the_events_say_whether_people_may_be_written_to(client, store, headers, mail):
    """Of a command by itself, and of the lines of a stream."""
    line = {"command": "register-account", "email": "b@example.org", "handle": "bob", "display_name": "Bob"}

    await post(client, "register-account", headers, **ANDRE)
    about = {"Content-Type": "application/x-ndjson", **headers}
    await client.post("/commands", content=msgspec.json.encode(line), headers=about)

    assert [each.metadata.mail for each in store.log.events] == [mail] * 4


async def test_a_wish_that_is_not_understood_is_refused(client):
    answer = await post(client, "register-account", {"Muster-No-Mail": "1"}, **ANDRE)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "Muster-No-Mail")
