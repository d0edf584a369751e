"""Whatever is sent to the real processes is taken or refused: nothing breaks, and what is refused leaves no trace."""

import json
import re
from collections.abc import Iterable, Mapping
from itertools import cycle, islice
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from shared.text import composed
from tests.hostile.texts import BYTES, JSON, READS, SEGMENTS, TEXTS, addresses
from tests.hostile.unharmed import Unharmed
from tests.support.patience import SECONDS
from tests.support.stack import Stack
from write_side.domain.values import Bio, InvalidValue
from write_side.use_cases import USE_CASES

is_trace = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
NDJSON = "application/x-ndjson"
HANDLE, SLUG = "person1500", "group1500"
LINES = 200


class Answered(NamedTuple):
    """What was answered to what."""

    what: str
    status: int
    media_type: str
    body: str


class Sender:
    """Sends to all three services, and keeps what is answered."""

    def __init__(self, stack: Stack, client: httpx.Client) -> None:
        self._client = client
        self.stack = stack
        self.answers: list[Answered] = []
        self.lines: list[dict[str, Any]] = []
        self.without_the_wrong: list[dict[str, Any]] = []

    def ask(self, url: str, path: str, method: str = "GET", **request) -> httpx.Response:
        answer = self._client.request(method, f"{url}{path}", **request)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # by chance, or whatever breaks does so once more
            answer = self._client.request(method, f"{url}{path}", **request)
        about = f"{method} {path[:200]}: {str(request)[:200]}"
        assert "set-cookie" not in answer.headers
        self.answers.append(Answered(about, answer.status_code, answer.headers.get("content-type", ""), answer.text))
        return answer

    def command(self, name: str, /, **fields) -> str:
        """The id of what a command that is right is about."""
        answer = self._client.post(f"{self.stack.addresses.write}/commands/{name}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def stream(self, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """The answer to each line."""
        told, left = [], iter(lines)
        headers = {"Content-Type": NDJSON, "Request-Id": REQUEST, "traceparent": "'; drop table event_log; --"}
        while some := list(islice(left, LINES)):
            content = b"\n".join(some)
            answer = self.ask(self.stack.addresses.write, "/commands", "POST", content=content, headers=headers)
            told += [json.loads(line) for line in answer.content.split(b"\n")[:-1]]
        self.lines += told
        return told


REQUEST = "hostile-input"


@pytest.fixture(scope="module")
def before(stack):
    return Unharmed(stack)


@pytest.fixture(scope="module")
def sent(stack, before):
    """All of it."""
    with httpx.Client(headers=stack.headers, trust_env=False, timeout=SECONDS) as client:
        sender = Sender(stack, client)
        account = sender.command("register-account", handle=HANDLE, email=f"{HANDLE}@example.org", display_name="Ada")
        group = sender.command("create-group", slug=SLUG, name="Some")
        send_lines(sender, account, group)
        send_bodies(sender)
        send_questions(sender)
        send_to_operators(sender)
        yield sender
        sender.command("erase-account", account=account)
        sender.command("delete-group", group=group)


def send_lines(sender, account, group):
    """Each text in all fields of each command, then in those only that were not found wrong; and pieces of JSON."""
    right = {name: make(account, group) for name, make in RIGHT.items()}
    lines = [
        Line(each.name, {field: shaped(field, text) for field in each.command.__struct_fields__})
        for each in USE_CASES
        if each.name in RIGHT
        for text in TEXTS.values()
    ]
    answers = sender.stream(line.encoded(right) for line in lines)
    sender.without_the_wrong = sender.stream(
        line.without(answer.get("errors", ())).encoded(right) for line, answer in zip(lines, answers, strict=True)
    )
    sender.stream(
        b'%b,"%b":%b}' % (Line(each.name, {}).encoded(right)[:-1], field.encode(), raw)
        for each in USE_CASES
        if each.name in RIGHT
        for field, raw in zip(cycle(each.command.__struct_fields__), JSON.values(), strict=False)
    )
    sender.stream(
        msgspec.json.encode({"command": "suspend-account", "account": account, name: text})
        for name in ("command", "idempotency_key", "if_match")
        for text in TEXTS.values()
    )
    sender.stream(msgspec.json.encode({"command": "verify-email", "token": text}) for text in TEXTS.values())


class Line(NamedTuple):
    """A command with a text in some of its fields."""

    command: str
    fields: Mapping[str, Any]

    def encoded(self, right: Mapping[str, Mapping[str, str]]) -> bytes:
        """:param right: the other fields of each command."""
        return msgspec.json.encode({"command": self.command, **right[self.command], **self.fields})

    def without(self, errors: Iterable[Mapping[str, str]]) -> "Line":
        wrong = {error["pointer"].split("/")[1] for error in errors}
        return self._replace(fields={name: value for name, value in self.fields.items() if name not in wrong})


def shaped(field, text):
    match field:
        case "tags":
            return [text]
        case "links":
            return {"x": text, text: "https://example.org/"}
        case "attributes":
            return {text: text}
    return text


NOBODY, NOTHING = {"account": "@nobody1500"}, {"group": "nothing1500"}
PERSON = {"handle": HANDLE, "email": f"{HANDLE}@example.org", "display_name": "x"}
RIGHT = {
    # This one cannot be registered, because the handle is taken; the others are there, or are not.
    "register-account": lambda *_: PERSON,
    "create-group": lambda *_: {"slug": SLUG, "name": "x"},
    "change-handle": lambda account, _: {"account": account, "handle": HANDLE},
    "change-email": lambda account, _: {"account": account, "email": f"{HANDLE}@example.org"},
    **{f"{what}-account": lambda account, _: {"account": account} for what in ("suspend", "reinstate")},
    **{f"{what}-account": lambda *_: NOBODY for what in ("close", "erase")},
    "update-profile": lambda account, _: {"account": account},
    "update-group": lambda _, group: {"group": group},
    "delete-group": lambda *_: NOTHING,
    **{
        f"{what}-member{rest}": lambda account, group: {"account": account, "group": group, "role": "x"}
        for what, rest in (("add-group", ""), ("change", "-role"))
    },
    "remove-group-member": lambda *_: NOBODY | NOTHING,
}


def send_bodies(sender):
    """What is no stream: commands by their own addresses, and batches."""
    write, read = sender.stack.addresses.write, sender.stack.addresses.read
    for raw in (*JSON.values(), *BYTES.values()):
        for url, path in ((write, "/commands/suspend-account"), (read, "/profiles/batch-get")):
            sender.ask(url, path, "POST", content=raw, headers={"Content-Type": "application/json"})
    texts = list(TEXTS.values())
    sender.ask(read, "/profiles/batch-get", "POST", json={"handles": texts, "emails": texts, "external_ids": texts})
    marks = "a" + "\u0301\u0316" * 200_000
    sender.ask(read, "/profiles/batch-get", "POST", content=msgspec.json.encode({"handles": [marks]}), headers=AS_JSON)
    for field in ("display_name", "bio"):
        body = msgspec.json.encode({"account": f"@{HANDLE}", field: marks})
        sender.ask(write, "/commands/update-profile", "POST", content=body, headers=AS_JSON)


AS_JSON = {"Content-Type": "application/json"}


def send_questions(sender):
    """Each segment in one place: `tests/hostile/test_stores.py` asks with all of them in every place."""
    read = sender.stack.addresses.read
    for segment, place in zip(SEGMENTS, cycle(READS), strict=False):
        for path in addresses(segment, [place]):
            sender.ask(read, path)
    for path in ("/profiles?limit=1&status=any", "/groups?limit=1"):
        sender.ask(read, path)
    cursors = [each for answer in sender.answers[-2:] if (each := json.loads(answer.body)["next_cursor"])]
    for cursor in cursors:
        for changed in (cursor[:-1], cursor[1:], cursor + "A", cursor[::-1], cursor.swapcase(), cursor * 20):
            sender.ask(read, f"/profiles?limit=1&status=any&cursor={changed}")
        sender.ask(read, f"/profiles?limit=1&cursor={cursor}")


def send_to_operators(sender):
    ops = sender.stack.addresses.ops
    for segment in SEGMENTS:
        for path in addresses(segment, ("/problems/{}", "/sign-in?token={}", "/parked/profiles/{}", "/parked/{}/x")):
            sender.ask(ops, path)
        for path in addresses(
            segment,
            ("/projections/{}/abort", "/parked/{}/x/retry", "/parked/profiles/{}/retry", "/deliveries/{}/retry"),
        ):
            sender.ask(ops, path, "POST", json={})
    for text in TEXTS.values():
        for field in ("reason", "by"):
            sender.ask(ops, "/parked/profiles/x/skip", "POST", json={"reason": "x", field: text})


def test_nothing_breaks(sent):
    assert len(sent.answers) > 500
    assert [each for each in sent.answers if each.status >= 500] == []
    assert [each for each in sent.lines if each["status"] >= 500] == []


def test_all_that_is_wrong_is_named_at_once(sent):
    """Without it the command is taken, or concerns what is not there, or is taken already."""
    assert {each["status"] for each in sent.without_the_wrong} == {200, 404, 409}


def test_what_is_refused_is_a_problem(sent):
    refused = [each for each in sent.answers if each.status >= 400 and "/sign-in" not in each.what]

    assert {each.media_type for each in refused} == {"application/problem+json"}


def test_what_is_refused_changed_nothing(sent, stack):
    """All events are those of lines that were answered with 200."""
    with stack.database() as database:
        events = database.execute("select position from event_log where metadata ->> 'correlation' = %s", [REQUEST])
        positions = {position for (position,) in events}

    assert len(positions) > 100
    assert positions <= {each["position"] for each in sent.lines if each["status"] == 200}


def test_what_is_taken_is_kept_as_it_is(sent, stack):
    """But composed."""
    with stack.database() as database:
        told = database.execute("select data ->> 'bio' from event_log where metadata ->> 'correlation' = %s", [REQUEST])
        kept = {text for (text,) in told if text is not None}

    assert len(kept) > 20
    assert kept <= {composed(text) for text in TEXTS.values() if is_bio(text)}


def is_bio(text):
    try:
        Bio.parse(text)
    except InvalidValue:
        return False
    return True


def test_events_say_where_they_come_from_and_nothing_that_was_made_up(sent, stack):
    with stack.database() as database:
        traces = database.execute("select distinct metadata ->> 'traceparent' from event_log")

        assert all(trace is None or is_trace(trace) for (trace,) in traces)


async def test_all_is_as_it_was(sent, before):
    await before.require()
