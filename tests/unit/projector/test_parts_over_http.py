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


async def test_a_generation_is_one_of_a_part(client):
    orders = [
        await client.post(f"/projections/profiles/{order}", json={"generation": "g1"})
        for order in ("abort", "rollback")
    ]

    assert [(each.status_code, each.json()["type"]) for each in orders] == [(409, "/problems/refused")] * 2
    assert "name the part" in orders[0].json()["detail"]
