"""All parts of a projection, as operators order that they go to another version: over HTTP and on the command line."""

import pytest

from projector.cli import rebuild as rebuilding
from projector.projections.profiles import profiles
from shared.cli.api_client import PROJECTOR, ApiClient
from tests.support.patience import answered
from tests.support.projections import newer
from tests.unit.projector.test_partitioned_projector import PartitionedProcess

PARTS = ["profiles.0", "profiles.1", "profiles.2"]
BODY = {"by": "ada", "force": False, "keep_old": 3600.0, "hold": False}


@pytest.fixture
async def client():
    """The API of the next release, beside the one that has filled all parts."""
    old = PartitionedProcess((profiles,))
    new = PartitionedProcess((newer(profiles),), beside=old)
    async with old.running(), new.running() as opened:
        yield opened


@pytest.fixture
def projector(client):
    return ApiClient(PROJECTOR, client)


def parts_in(status):
    return status.json()["projections"][0]["parts"]


def versions_in(status):
    return [each["version"] for part in parts_in(status) for each in part["generations"] if each["role"] == "live"]


async def rebuilt(projector, names):
    return await rebuilding.rebuild_all(projector, names, BODY, as_json=False, every=0.005)


async def test_the_command_rebuilds_all_parts_and_takes_all_back(projector, client, capsys):
    """It orders all at once: no part goes live before the others."""
    assert await rebuilt(projector, PARTS) == 0
    assert versions_in(await client.get("/status")) == [profiles.version + 1] * 3
    assert capsys.readouterr().err.count(" is live\n") == 3

    assert await rebuilding.roll_back_all(projector, ["profiles"], force=False) == 0
    assert versions_in(await client.get("/status")) == [profiles.version] * 3
    said = capsys.readouterr().err
    assert all(f"{part}: generation " in said for part in PARTS)


async def test_a_part_that_is_rebuilt_alone_says_for_which_others_it_waits(projector, client, capsys):
    """And is given up with them."""
    assert await rebuilt(projector, PARTS[1:2]) == 1
    assert "not switched: it is ready, and goes live together with profiles.0, profiles.2" in capsys.readouterr().err
    rebuild = parts_in(await client.get("/status"))[1]["rebuild"]
    assert (rebuild["phase"], rebuild["waits_for"]) == ("ready", ["profiles.0", "profiles.2"])

    assert await rebuilding.abort_all(projector, PARTS[1:2]) == 1
    assert "`muster rebuild --abort profiles` gives all up" in capsys.readouterr().err
    assert await rebuilding.abort_all(projector, ["profiles"]) == 0
    await answered(client, "/status", lambda status: not any(each["rebuild"] for each in parts_in(status)))


async def test_a_part_that_is_held_holds_up_the_others(projector, client, capsys):
    """The command says so, and ends; ordered again, all go."""
    await client.post("/projections/profiles.2/rebuild", json={"hold": True})
    await answered(client, "/status", lambda status: (parts_in(status)[2]["rebuild"] or {}).get("held"))

    assert await rebuilt(projector, PARTS[:2]) == 1
    assert capsys.readouterr().err.count("goes live together with profiles.2: rebuild these too") == 2
    assert await rebuilt(projector, PARTS) == 0


def building_in(status):
    return [each["rebuild"] and each["rebuild"]["generation"] for each in parts_in(status)]


async def ordered(client, order, **body):
    return await client.post(f"/projections/profiles/{order}", json=body)


async def held(client):
    """What is being built in the parts, all of which were ordered to wait."""
    answer = await ordered(client, "rebuild", hold=True, generations=[])
    status = await answered(client, "/status", lambda status: all(map(is_held, parts_in(status))))
    assert building_in(status) == [each["building"] for each in answer.json()["parts"]]
    return building_in(status)


def is_held(part):
    return (part["rebuild"] or {}).get("held")


async def test_all_parts_are_rebuilt_by_one_order_and_go_on_by_another(client):
    """And back by a third; each is about what was seen, however often it comes."""
    seen = await held(client)
    switched = [await ordered(client, "rebuild", generations=seen)]
    await answered(client, "/status", lambda status: versions_in(status) == [profiles.version + 1] * 3)
    switched.append(await ordered(client, "rebuild", generations=seen))
    kept = [each["name"] for part in parts_in(await client.get("/status")) for each in part["generations"][1:]]
    back = [await ordered(client, "rollback", generations=kept) for _ in range(2)]

    assert [each.status_code for each in (*switched, *back)] == [200, 409, 200, 409]
    assert "nothing of what was seen waits" in switched[1].json()["detail"]
    assert "profiles.0: what was seen is not kept any more" in back[1].json()["detail"]
    assert versions_in(await client.get("/status")) == [profiles.version] * 3


async def test_an_order_about_what_was_seen_is_about_nothing_else_in_any_part(client):
    """An abort of what was ordered before, or a rebuild by who saw none, finds one part that is another."""
    before = await held(client)
    await client.post("/projections/profiles.1/abort", json={})
    [again] = (await client.post("/projections/profiles.1/rebuild", json={"hold": True})).json()["building"].split()
    status = await answered(client, "/status", lambda status: all(map(is_held, parts_in(status))))
    seen = [again, *before[::2]]
    late = [await ordered(client, order, generations=before) for order in ("abort", "rebuild")]
    anew = await ordered(client, "rebuild", generations=[])
    after = await client.get("/status")
    aborted = await ordered(client, "abort", generations=seen)

    assert [each.status_code for each in (*late, anew, aborted)] == [409, 409, 409, 200]
    assert "profiles.1: what was seen is not being built any more" in late[0].json()["detail"]
    assert f"profiles.0: generation {before[0]} is being built by now" in anew.json()["detail"]
    assert (building_in(after), all(map(is_held, parts_in(after)))) == (building_in(status), True)
    assert building_in(await client.get("/status")) == [None] * 3


async def test_a_part_of_a_dry_run_is_given_up_as_long_as_it_is_one(client):
    [first, *_] = await held(client)
    await client.post("/projections/profiles.1/rebuild", json={})

    answer = await ordered(client, "abort", dry_run=first)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/refused")
    assert "profiles.1" in answer.json()["detail"]
