"""Every command is counted, timed and traced, whichever way it came and whatever came of it."""

import json
from functools import partial

import pytest
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from shared.auth.setup import admit_everyone
from shared.http.parsing.bodies import MAX_BODY_BYTES
from tests.support.apps import app_client
from tests.support.clock import SettableClock
from tests.support.measures import counts, every_attribute, named
from tests.support.write_side import ANDRE, register_on
from write_side.adapters.memory import MemoryDatabase
from write_side.http.app import write_api

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def store():
    return MemoryDatabase(clock=SettableClock())


@pytest.fixture
async def client(store):
    async with app_client(write_api, admit_everyone, partial(register_on, store)) as client:
        yield client


async def post(client, name="register-account", /, *, headers=None, **fields):
    return await client.post(f"/commands/{name}", json=fields, headers=headers)


async def stream(client, *lines):
    return await client.post("/commands", content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"})


async def carried(store):
    """The `traceparent` that the last event carries."""
    async with store.log.connect() as reader:
        return (await reader.read(after=0, limit=100))[-1].metadata.traceparent


def outcomes(outcome, command="register-account", more=1):
    return counts("muster_commands_total", more, command=command, outcome=outcome)


async def test_a_command_is_counted_by_what_came_of_it(client):
    """Done, replayed, or the problem's name."""
    key = {"Idempotency-Key": "k"}

    with outcomes("done"):
        await post(client, headers=key, **ANDRE)
    with outcomes("replayed"):
        await post(client, headers=key, **ANDRE)
    with outcomes("email-taken"):
        await post(client, **ANDRE | {"handle": "another"})
    with outcomes("invalid"):
        await post(client, email="nonsense")
    with outcomes("unsupported-media-type"):
        await client.post("/commands/register-account", content=b"{}")
    with outcomes("too-large"):
        await post(client, bio="x" * MAX_BODY_BYTES)


@pytest.mark.parametrize(
    ("path", "kind", "counted"),
    [
        ("/commands/register-account", "application/json", ("too-slow", "register-account")),
        ("/commands", "application/x-ndjson", ("not-json", "unknown", 0)),
    ],
)
async def test_a_client_that_leaves_in_the_middle_is_no_defect(client, path, kind, counted):
    """It is logged as no error of ours; nor is half a line carried out."""
    with capture_logs() as logs, outcomes(*counted), outcomes("internal-error", counted[1], 0):
        await hung_up(client._transport.app, path, kind)

    assert logs == []


def about(kind):
    sent = {"host": "localhost", "content-type": kind, "transfer-encoding": "chunked"}
    return [(name.encode(), value.encode()) for name, value in sent.items()]


async def hung_up(app, path, kind):
    """Send the beginning of a body, and go."""
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": about(kind)}
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    async def send(message):
        pass

    await app(scope | {"query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1"}, receive, send)


async def test_a_defect_is_an_outcome_too(client, store):
    del store.accounts

    with outcomes("internal-error"), capture_logs():
        await post(client, **ANDRE)


async def test_lines_are_counted_one_by_one(client):
    """A line whose command we do not know is counted under no name that a client chose."""
    line = json.dumps({"command": "register-account", **ANDRE}).encode()

    with outcomes("done"), outcomes("email-taken"), outcomes("invalid", "unknown"), outcomes("not-json", "unknown"):
        await stream(client, line, line, b'{"command": "praise-ada"}', b"nonsense")

    assert "praise-ada" not in (await client.get("/metrics")).text


async def test_a_command_is_timed(client):
    """Refusals too: they take time as well."""
    with counts("muster_command_seconds_count", 2, command="register-account"):
        await post(client, **ANDRE)
        await post(client, **ANDRE)


async def test_the_span_says_what_came_of_the_command(client, spans):
    """Ids and names of commands and problems; nothing of the body."""
    done = (await post(client, **ANDRE)).json()
    await post(client, **ANDRE)

    first, second = named(spans, "register-account")
    assert dict(first.attributes) == {
        "http.request.method": "POST",
        "http.route": "/commands/register-account",
        "http.response.status_code": 200,
        "muster.command": "register-account",
        "muster.id": done["id"],
        "muster.outcome": "done",
        "muster.position": done["position"],
    }
    assert second.attributes["error.type"] == "email-taken"
    assert second.status.status_code is StatusCode.UNSET
    assert "andre" not in every_attribute(spans).lower()


async def test_a_failure_of_ours_is_one_in_the_span(client, store, spans):
    """A refusal is the client's matter; a 5xx is marked as an error, and its text is left out."""
    del store.accounts

    with capture_logs():
        await post(client, **ANDRE)

    [span] = named(spans, "register-account")
    assert span.status.status_code is StatusCode.ERROR
    assert span.events == ()


async def test_events_carry_the_span_of_their_command(client, store, spans):
    """It goes on with the client's trace."""
    await post(client, headers={"traceparent": SENT}, **ANDRE)

    [span] = named(spans, "register-account")
    assert f"{span.context.trace_id:032x}" == TRACE
    assert await carried(store) == f"00-{TRACE}-{span.context.span_id:016x}-01"


async def test_each_line_has_a_span_of_its_own(client, store, spans):
    """So that an import of a million lines is not one trace; with a client's, all are part of it."""
    line = json.dumps({"command": "register-account", **ANDRE}).encode()

    await stream(client, line, b"nonsense")

    one, other = spans.get_finished_spans()
    assert [one.name, other.name] == ["register-account", "unknown"]
    assert one.context.trace_id != other.context.trace_id


@pytest.mark.parametrize("sent", [SENT, "nonsense", f"ff-{TRACE}-b7ad6b7169203331-01", "é" * 5_000])
async def test_no_traceparent_changes_a_command(client, store, sent):
    """Not its outcome, and not what its key means; a malformed one leaves no trace."""
    key, traced = {"Idempotency-Key": "k"}, {"traceparent": sent.encode()}

    first = await post(client, headers=key, **ANDRE)
    again = await post(client, headers=key | traced, **ANDRE)
    other = await post(client, "change-handle", headers=traced, account="@andre.carson", handle="a")

    assert again.json() == first.json()
    assert other.status_code == 200
    assert await carried(store) == (SENT if sent == SENT else None)
