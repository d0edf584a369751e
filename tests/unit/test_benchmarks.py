"""What `muster bench` says of what it has measured, and that one scenario that fails costs no other its result."""

import asyncio
import re
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import msgspec

from shared.event_log import UnknownEvent
from shared.event_log.codec import decode
from tests.benchmarks import python_client
from tests.benchmarks.generated_log import GeneratedLog
from tests.benchmarks.load_generator import Received, Request, Traffic, answered, has_wrk
from tests.benchmarks.plots import bars, curves
from tests.benchmarks.processes import family
from tests.benchmarks.results import AIMS, BenchResult, TurnSample, compared, failed, rows, table
from tests.benchmarks.run import NAMES, BenchDocument, measure
from tests.benchmarks.scenario import QUICK, Scale, Scenario
from tests.benchmarks.sides import Contender, in_turns

OURS = [
    TurnSample(rate=rate, p50=1.0, cpu={"write": 1.0, "postgres": 1.0, "(projector)": 7.0}) for rate in (90, 240, 300)
]
THEIRS = [TurnSample(rate=rate, p50=4.0, cpu={"orm": 5.0, "postgres": 1.0}) for rate in (100, 80, 100)]


def test_a_ratio_is_the_median_of_the_turns():
    """Not the ratio of the medians; what stands in brackets is beside what is compared."""
    result = compared("register-orm", "registrations", ("ours", OURS), ("the ORM", THEIRS))

    assert (result.value, result.baseline, result.ratio, result.spread, result.cpu_ratio) == (
        240,
        100,
        3.0,
        (0.9, 3.0),
        3.0,
    )
    assert (result.ours.rate, result.ours.spread, result.theirs.rate) == (240, (90, 300), 100)
    assert result.met is True


def test_some_aims_are_upper_bounds():
    result = compared("latency-orm", "p50", ("ours", THEIRS), ("the ORM", OURS), of=lambda sample: sample.p50)

    assert (result.value, result.ratio, result.aim, result.met) == (4.0, 4.0, "<= 1.3", False)


def test_every_aim_is_of_a_result():
    assert AIMS.keys() <= set(NAMES)


def test_the_document_holds_what_was_found():
    """Programs read it: by these names, whether something was measured or failed."""
    found = [compared("page", "pages", ("ours", OURS), ("look-ups", THEIRS)), failed("tags", RuntimeError("gone"))]
    document = BenchDocument(
        at=datetime(2026, 1, 1, tzinfo=UTC), machine="", load=(0, 0, 0), size=QUICK, scenarios=found
    )

    read = msgspec.json.decode(msgspec.json.encode(document))

    assert [
        [each[name] for name in ("name", "value", "unit", "baseline", "ratio", "aim", "met", "error")]
        for each in read["scenarios"]
    ] == [
        ["page", 240, "/s", 100, 3.0, ">= 0.25", True, None],
        ["tags", None, "", None, None, ">= 0.10", None, "RuntimeError: gone"],
    ]
    assert msgspec.convert(read, BenchDocument) == document
    assert "missed" not in rows(found)
    assert "gone" in table(found)


async def test_a_scenario_that_fails_costs_no_other_its_result():
    """Nor does one that takes too long, or servers that do not start."""

    async def works(ground, size, names):
        return [BenchResult(name=name, what="", unit="", value=1.0) for name in names]

    async def breaks(*_):
        raise ValueError("broken")

    async def hangs(*_):
        await asyncio.Event().wait()

    @asynccontextmanager
    async def servers(_):
        yield "servers"

    @asynccontextmanager
    async def no_servers(_):
        raise RuntimeError("no room")
        yield

    grounds = [
        (no_servers, [Scenario(names=["a"], run=works)]),
        (servers, [Scenario(names=["b"], run=breaks), Scenario(names=["c"], run=hangs, limit=0.01)]),
        (servers, [Scenario(names=["d", "left out"], run=works)]),
    ]
    async with asyncio.timeout(30):
        results = await measure(["a", "b", "c", "d"], Scale(), grounds=grounds)

    assert [(each.name, each.value, each.error) for each in results] == [
        ("a", None, "RuntimeError: no room"),
        ("b", None, "ValueError: broken"),
        ("c", None, "TimeoutError: not done within 0 s"),
        ("d", 1.0, None),
    ]


async def test_a_side_that_fails_costs_only_its_own_comparisons():
    """And one that ends too little in the time that is given has longer turns."""
    asked = []

    def side(*, errors=0, operations=1_000):
        async def run(seconds):
            asked.append(seconds)
            return Received(int(operations * seconds), seconds, 1.0, 2.0, errors)

        return Contender(what="a side", run=run)

    sides = {"ours": side(), "slow": side(operations=10), "broken": side(errors=1)}
    turns = await in_turns(sides, rounds=2, seconds=2.0, warm_up=1.0)

    assert turns.compared("page", "pages", "ours", "slow").ratio == 100
    assert turns.compared("tags", "tags", "ours", "broken").error.startswith("LoadFailed: 1 of 2000 requests failed")
    assert [(seconds, asked.count(seconds)) for seconds in sorted(set(asked))] == [(1.0, 3), (2.0, 3), (6.0, 2)]


def test_a_family_is_all_that_descends_from_a_process():
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1}

    assert family([10], {pid: ["S", str(parent)] for pid, parent in parents.items()}) == {10, 11, 12}


def test_a_generated_log_has_no_gaps_and_agrees_with_its_state():
    """As if commands had made it: every event can be read, and each aggregate's version is the number of its events."""
    generated = GeneratedLog(people=40, groups=5, events=300)
    versions = defaultdict(list)

    for _, aggregate, id_, version, kind, schema, data, *_ in generated.rows():
        assert not isinstance(decode(data.encode(), type_name=kind, schema=schema), UnknownEvent)
        versions[aggregate, id_].append(version)

    assert all(each == list(range(1, len(each) + 1)) for each in versions.values())
    assert sum(map(len, versions.values())) == generated.written == 300
    state = {table: {row[0]: row[1] for row in found} for table, _, found in generated.state()}
    assert {id_: len(each) for (kind, id_), each in versions.items() if kind == "account"} == state["accounts"]
    assert {id_: len(each) for (kind, id_), each in versions.items() if kind == "profile"} == state["profiles"]
    assert len(state["memberships"]) == sum(kind == "membership" for kind, _ in versions)


def test_plots_show_both_sides_and_every_size():
    """As well-formed XML."""
    pair = compared("page", "a < b", ("ours & co.", OURS), ("look-ups", THEIRS))
    grown = msgspec.structs.replace(pair, name="growth-page", by_people={1_000: 0.5, 100_000: 2.0})

    assert "ours &amp; co." in bars("Lists", [pair])
    assert "100,000" in curves("Growth", [grown])


async def test_both_clients_send_each_request_once():
    """With texts of its own, over kept connections; what is refused is counted."""
    received, serving = Counter(), set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(length[1]))
                received[head.split(b" ")[1], body, re.search(rb"Key: (\S+)", head)[1]] += 1
                status = b"409 Conflict" if body.endswith(b'7"') else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        request = Request("/commands/{n}", '"{n}"', "POST", {"Key": "{n}"})
        for send, name in ((python_client.send, "a."), *([(answered, "b.")] if has_wrk() else [])):
            traffic = Traffic(url=url, requests=[request], connections=4, unique=name)

            got = await send(traffic, seconds=1)

            mine = {key: times for key, times in received.items() if name.encode() in key[0]}
            assert set(mine.values()) == {1}
            await asyncio.wait(serving)  # for the ends of its connections
            assert all(path == b"/commands/" + key and body == b'"' + key + b'"' for path, body, key in mine)
            assert 0 < got.errors < got.operations <= len(mine)
