"""Rebuilds as operators order them: over HTTP and on the command line, on adapters in memory."""

import asyncio
import json

import pytest

from projector.cli import rebuild as rebuilding
from shared.cli.api_client import PROJECTOR, ApiClient
from shared.cli.exit_codes import WrongUsage
from shared.event_log.adapters.memory import MemoryEventReader
from shared.runtime.progress import Progress
from tests.support.patience import answered
from tests.support.projectors import ops_client, with_people

JSON = {"Content-Type": "application/json"}
EVIL = {"Host": "evil.example:8003", "Origin": "http://evil.example:8003"}


@pytest.fixture
def around():
    return with_people(*(f"p{number}" for number in range(20)))


@pytest.fixture
async def client(around):
    async with ops_client(around) as client:
        await reached(client, lambda profiles: profiles["state"] == "running")
        yield client


async def reached(client, holds):
    """What status says of profiles, once something holds."""
    return profiles_in(await answered(client, "/status", lambda answer: holds(profiles_in(answer))))


def profiles_in(status):
    return status.json()["projections"][0]


async def test_a_rebuild_is_ordered_and_can_be_followed(client):
    """In the end the generation that was live is kept, with what changed."""
    before = profiles_in(await client.get("/status"))

    answer = await client.post("/projections/profiles/rebuild", json={"by": "ada", "keep_old": 60})

    assert answer.status_code == 200
    ordered = answer.json()
    assert (ordered["projection"], ordered["live"], ordered["kept"]) == ("profiles", before["generation"], None)
    after = await reached(client, lambda profiles: profiles["generation"] == ordered["building"])
    roles = {each["role"]: each for each in after["generations"]}
    assert set(roles) == {"live", "kept"}
    assert roles["kept"]["name"] == before["generation"]
    assert roles["kept"]["comparison"] == {"records": 20, "new": 0, "gone": 0, "changed": 0, "samples": []}
    assert roles["kept"]["kept_until"].startswith("2026-11-25T")
    assert (after["checkpoint"], after["rebuild"]) == (40, None)


async def test_a_held_rebuild_is_shown_with_its_comparison(client):
    await client.post("/projections/profiles/rebuild", json={"by": "ada", "hold": True})

    profiles = await reached(client, lambda profiles: profiles["rebuild"] and profiles["rebuild"]["phase"] == "held")

    rebuild = profiles["rebuild"]
    assert (rebuild["by"], rebuild["position"], rebuild["target"], rebuild["error"]) == ("ada", 40, 40, None)
    assert "it was to wait here" in rebuild["held"]
    assert rebuild["comparison"] == {"records": 20, "new": 0, "gone": 0, "changed": 0, "samples": []}


async def test_the_second_operator_is_told_who_is_at_it(client, monkeypatch):
    monkeypatch.setattr(MemoryEventReader, "replay", never_ending)
    first = await client.post("/projections/profiles/rebuild", json={"by": "ada"})

    second = await client.post("/projections/profiles/rebuild", json={"by": "bob"})

    assert first.status_code == 200
    assert (second.status_code, second.json()["type"]) == (409, "/problems/rebuild-under-way")
    assert "ada is at it, since" in second.json()["detail"]


async def never_ending(*_, **__):
    """In place of a replay: it is under way as long as the test is."""
    await asyncio.Event().wait()
    yield ()


async def test_a_rebuild_is_aborted(client):
    await client.post("/projections/profiles/rebuild", json={"hold": True})

    answer = await client.post("/projections/profiles/abort", json={})
    again = await client.post("/projections/profiles/abort", json={})

    assert (answer.status_code, answer.json()["building"]) == (200, None)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/refused")


async def test_a_rollback_swaps_the_generations(client):
    first = (await client.post("/projections/profiles/rebuild", json={})).json()
    await reached(client, lambda profiles: profiles["generation"] == first["building"])

    answer = (await client.post("/projections/profiles/rollback", json={})).json()

    assert (answer["live"], answer["kept"]) == (first["live"], first["building"])


async def test_an_order_about_a_generation_is_about_no_other(client):
    """However late it comes, or how often: a switch that was done begins no rebuild, and takes no reader back."""
    held = (await client.post("/projections/profiles/rebuild", json={"hold": True})).json()["building"]
    answers = [
        await client.post(f"/projections/profiles/{order}", json={"generation": generation})
        for order, generation in (
            ("rebuild", "x"),
            ("abort", "x"),
            ("abort", held),
            ("rebuild", held),
            ("rollback", "x"),
        )
    ]

    assert [each.status_code for each in answers] == [409, 409, 200, 409, 409]
    assert "generation x is not being built any more" in answers[0].json()["detail"]
    assert (await client.get("/status")).json()["projections"][0]["rebuild"] is None


async def test_who_saw_no_rebuild_lets_none_go_on(client):
    """A page that was loaded before says that a rebuild is to begin, not that another one is to go live."""
    first, second = [
        await client.post("/projections/profiles/rebuild", json={"hold": hold, "generations": []})
        for hold in (True, False)
    ]
    profiles = await reached(client, lambda profiles: profiles["rebuild"] and profiles["rebuild"]["held"])

    assert (second.status_code, second.json()["type"]) == (409, "/problems/refused")
    assert second.json()["detail"] == f"generation {first.json()['building']} is being built by now"
    assert profiles["generation"] == first.json()["live"]


async def test_without_a_former_generation_a_rollback_is_refused(client):
    answer = await client.post("/projections/stats/rollback", json={})

    assert answer.status_code == 409
    assert "no former generation is kept" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "content", "headers", "problem"),
    [
        ("people/rebuild", b"{}", JSON, (404, "projection-not-found")),
        ("profiles/rebuild", b"{", JSON, (400, "not-json")),
        ("profiles/rebuild", b'{"keep_old": -1}', JSON, (422, "invalid")),
        ("profiles/rebuild", b'{"hurry": true}', JSON, (422, "invalid")),
        ("profiles/abort", b"force=true", {}, (415, "unsupported-media-type")),
        *(
            ("profiles/rollback", b"{}", {**JSON, **headers}, (403, problem))
            for headers, problem in (
                ({"Sec-Fetch-Site": "cross-site"}, "cross-site"),
                ({"Sec-Fetch-Site": "same-site"}, "cross-site"),
                ({"Origin": "https://evil.example"}, "cross-site"),
                ({"Origin": "null"}, "cross-site"),
                ({"Origin": "http://[x"}, "cross-site"),
                ({"Host": "evil.example"}, "foreign-host"),
                ({**EVIL, "Sec-Fetch-Site": "same-origin"}, "foreign-host"),
            )
        ),
    ],
)
async def test_bad_requests_change_nothing(around, client, path, content, headers, problem):  # noqa: PLR0917 - fixtures
    before = dict(around.store.content)

    answer = await client.post(f"/projections/{path}", content=content, headers=headers)

    status, name = problem
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{name}")
    assert {key: before[key] for key in before if "roster" in key or "live" in key} == {
        key: around.store.content[key] for key in around.store.content if "roster" in key or "live" in key
    }


async def test_a_page_of_its_own_may_operate(client):
    """The ops page is served from the same origin."""
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost", **JSON}

    answer = await client.post("/projections/profiles/rebuild", content=b"{}", headers=headers)

    assert answer.status_code == 200


async def test_a_server_that_is_away_is_a_503(client, around):
    around.store.available = False

    answer = await client.post("/projections/profiles/rebuild", json={})

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.fixture
def projector(client):
    """The projector in this process, as `muster rebuild` talks to it."""
    return ApiClient(PROJECTOR, client)


async def rebuilt(projector, *names, as_json=False, **order):
    """The exit status of `muster rebuild`, ordered so."""
    return await rebuilding.rebuild_all(projector, names, {**ORDER, **order}, as_json=as_json, every=0.001)


ORDER = {"by": "ada", "hold": False, "force": False, "keep_old": 60.0}


async def test_the_command_follows_to_the_end(projector, capsys):
    status = await rebuilt(projector, "profiles", as_json=True)

    output, progress = capsys.readouterr()
    outcome = json.loads(output.splitlines()[-1])
    assert status == 0
    assert outcome["projection"] == "profiles"
    assert {"from", "to", "events", "seconds", "records"} <= set(outcome)
    assert (outcome["events"], outcome["records"]) == (40, {"new": 0, "gone": 0, "changed": 0})
    assert f"generation {outcome['to']} is live" in progress


async def test_the_command_rebuilds_all_one_after_the_other(projector, capsys):
    status = await rebuilt(projector, "profiles", "stats", as_json=True)

    assert status == 0
    assert [each["projection"] for each in json.loads(capsys.readouterr().out.splitlines()[-1])] == [
        "profiles",
        "stats",
    ]


async def test_a_dry_run_leaves_nothing_behind(projector, client, capsys):
    before = profiles_in(await client.get("/status"))

    status = await rebuilt(projector, "profiles", hold=True)

    after = profiles_in(await client.get("/status"))
    assert status == 0
    assert "of 20 records 0 gone, 0 changed; 0 new" in capsys.readouterr().err
    assert (after["generation"], after["rebuild"]) == (before["generation"], None)


async def test_a_dry_run_that_is_forced_switches_nothing_either(projector, client):
    before = profiles_in(await client.get("/status"))

    await rebuilt(projector, "profiles", hold=True, force=True)

    after = profiles_in(await client.get("/status"))
    assert (after["generation"], after["rebuild"]) == (before["generation"], None)


async def test_a_dry_run_leaves_a_held_rebuild_of_another_order_alone(projector, client, capsys):
    """The refusal says whose it is, since when, and what can be done."""
    await client.post("/projections/profiles/rebuild", json={"by": "ada", "hold": True})
    before = await reached(client, lambda profiles: profiles["rebuild"] and profiles["rebuild"]["held"])

    status = await rebuilt(projector, "profiles", by="bob", hold=True)

    after = profiles_in(await client.get("/status"))
    assert (status, after["rebuild"]) == (1, before["rebuild"])
    assert "profiles: what ada ordered at 2026-11-25T" in capsys.readouterr().err


async def test_a_dry_run_does_not_give_up_what_was_ordered_to_go_on(client):
    """A dry run gives it up in the end, and another order may have been faster."""
    ordered = (await client.post("/projections/profiles/rebuild", json={"hold": True})).json()["building"]
    await reached(client, lambda profiles: profiles["rebuild"] and profiles["rebuild"]["held"])
    await client.post("/projections/profiles/rebuild", json={})

    answer = await client.post("/projections/profiles/abort", json={"dry_run": ordered})

    assert answer.status_code == 409
    await reached(client, lambda profiles: profiles["generation"] == ordered)


@pytest.fixture
def gate(client, monkeypatch):
    """No event of a rebuild is folded until it is set; the first fill, over when there is a client, has not waited."""
    gate = asyncio.Event()

    async def replay(*given, replay=MemoryEventReader.replay, **more):
        await gate.wait()
        async for events in replay(*given, **more):
            yield events

    monkeypatch.setattr(MemoryEventReader, "replay", replay)
    return gate


@pytest.fixture
def followed(monkeypatch):
    """It is set as soon as the command shows how far a rebuild is that is under way."""
    followed = asyncio.Event()
    monkeypatch.setattr(Progress, "show", lambda *_, **__: followed.set())
    return followed


async def interrupted(work):
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


@pytest.mark.usefixtures("gate")
async def test_a_dry_run_that_is_interrupted_leaves_nothing_behind(client, projector, followed):
    """As by Ctrl-C, before it has come to the comparison."""
    work = asyncio.create_task(rebuilt(projector, "profiles", hold=True))
    await followed.wait()

    await interrupted(work)

    profiles = profiles_in(await client.get("/status"))
    assert profiles["rebuild"] is None


async def test_a_dry_run_that_is_interrupted_while_it_is_ordered_leaves_nothing_behind(client, projector, monkeypatch):
    """The projector has begun it, and the answer is not there yet."""
    begun, answers = asyncio.Event(), asyncio.Event()

    async def request(method, path, *, request=client.request, **options):
        answer = await request(method, path, **options)
        if method == "POST":
            begun.set()
            await answers.wait()
        return answer

    monkeypatch.setattr(client, "request", request)
    work = asyncio.create_task(rebuilt(projector, "profiles", hold=True))
    await begun.wait()
    asyncio.get_running_loop().call_soon(answers.set)

    await interrupted(work)

    profiles = profiles_in(await client.get("/status"))
    assert profiles["rebuild"] is None


async def test_a_dry_run_that_is_interrupted_at_its_end_leaves_nothing_behind(client, projector, monkeypatch):
    """While it gives up what it has begun: the order to do so has not arrived."""
    ending, goes = asyncio.Event(), asyncio.Event()

    async def request(method, path, *, request=client.request, **options):
        if path.endswith("/abort"):
            ending.set()
            await goes.wait()
        return await request(method, path, **options)

    monkeypatch.setattr(client, "request", request)
    work = asyncio.create_task(rebuilt(projector, "profiles", hold=True))
    await ending.wait()
    asyncio.get_running_loop().call_soon(goes.set)

    await interrupted(work)

    profiles = profiles_in(await client.get("/status"))
    assert profiles["rebuild"] is None


async def test_a_rebuild_whose_command_is_interrupted_goes_on(client, projector, gate, followed):
    work = asyncio.create_task(rebuilt(projector, "profiles"))
    await followed.wait()
    building = profiles_in(await client.get("/status"))["rebuild"]["generation"]

    await interrupted(work)

    after = profiles_in(await client.get("/status"))
    assert after["rebuild"]["generation"] == building
    gate.set()
    await reached(client, lambda profiles: profiles["generation"] == building)


async def test_the_command_aborts_and_says_if_there_is_nothing_to_abort(projector, client, capsys):
    await client.post("/projections/profiles/rebuild", json={"hold": True})

    statuses = [await rebuilding.abort_all(projector, ["profiles", "stats"]) for _ in range(2)]

    assert statuses == [0, 1]
    assert "profiles: aborted; the live records are untouched" in capsys.readouterr().err


async def test_the_command_rolls_back(projector, client, capsys):
    await rebuilt(projector, "profiles")

    statuses = [
        await rebuilding.roll_back_all(projector, ["profiles"], force=False),
        await rebuilding.roll_back_all(projector, ["stats"], force=False),
    ]

    assert statuses == [0, 1]
    assert "stats: no former generation is kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"projection": "people"}, "there is no projection 'people': profiles, groups, activity, stats, changes"),
        ({}, "name a projection"),
        ({"projection": "profiles", "all": True}, "name a projection"),
        ({"rollback": True}, "name a projection"),
    ],
)
def test_wrong_usage_is_said_and_ends_with_2(arguments, said):
    arguments = dict(arguments)
    positional = [arguments.pop("projection")] if "projection" in arguments else []

    with pytest.raises(WrongUsage, match=said):
        rebuilding.rebuild(*positional, **arguments)
