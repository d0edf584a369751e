"""What operators see and do where a projection has three parts."""

import pytest

from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS
from shared.events import GroupCreated
from shared.read_model.partitions import Partitions
from tests.support.bugs import poisoned
from tests.support.histories import nth_id
from tests.support.patience import answered
from tests.unit.projector.test_partitioned_projector import PARTITIONS, PartitionedProcess

ALL = ["profiles.0", "profiles.1", "profiles.2"]
ADA = nth_id(1)


@pytest.fixture
def group(process):
    return process.around.history.events[-1].aggregate_id


@pytest.fixture
def process():
    """A release that can fold neither Ada's change nor what makes a group, which every part of profiles keeps."""
    planted = poisoned(profiles, lambda recorded: recorded.position == 3 or isinstance(recorded.event, GroupCreated))
    process = PartitionedProcess([planted, *PROJECTIONS[1:]])
    process.around.history.update(ADA, title="Dr")
    process.around.history.create_group("chess")
    process.around.append()
    return process


@pytest.fixture
async def client(process):
    async with process.running() as client:
        yield client


async def parked(client, documents, path="/parked"):
    """The answer once so many documents are."""
    return (await answered(client, path, lambda answer: len(answer.json().get("parked", ())) == documents)).json()


async def test_a_projection_is_one_line_and_its_parts_are_below(client):
    status = (await client.get("/status")).json()

    names = [each["name"] for each in status["projections"]]
    assert names == ["profiles", "groups", "activity", "unique-entries", "stats", "changes"]
    assert [each["name"] for each in status["projections"][0]["parts"]] == ALL
    assert {each["checkpoint"] for each in status["projections"]} == {status["head"]}
    assert status["projections"][0]["parked"] == 4
    assert status["layouts"] == {"live": 3}
    assert "12 parts" not in (page := (await client.get("/", headers={"Accept": "text/html"})).text)
    page = (await client.get("/", headers={"Accept": "text/html"})).text
    assert page.count("<summary") == 4 + 1
    assert "readers use it" not in page
    assert 'id="profiles.1-rebuild"' in page


async def test_metrics_have_a_label_for_the_partition(client):
    text = (await client.get("/metrics")).text

    assert 'muster_projection_checkpoint_position{partition="2",projection="profiles"} 4.0' in text
    assert 'muster_projection_checkpoint_position{partition="",projection="stats"} 4.0' in text


async def test_what_is_parked_in_all_parts_is_one_document(client, group):
    """Whether all is asked for, the projection, or a part."""
    report = await parked(client, 2)

    places = {each["id"]: each["parts"] for each in report["parked"]}
    own = [f"profiles.{Partitions(PARTITIONS.count).of(str(ADA))}"]
    assert places == {str(ADA): own, str(group): ALL}
    assert {each["projection"] for each in report["parked"]} == {"profiles"}
    [whole] = (await parked(client, 1, f"/parked/profiles/{group}"))["parked"]
    [part] = (await parked(client, 1, f"/parked/profiles.1/{group}"))["parked"]
    assert (whole["waiting"], whole["parts"]) == ([4], ALL)
    assert part == whole | {"parts": ["profiles.1"]}


async def test_it_is_retried_and_skipped_in_all_of_them_by_one_order(client, group):
    """Sent twice, it is done once."""
    path = f"/parked/profiles/{group}"
    retried = (await client.post(f"{path}/retry", json={})).json()
    skipped = await client.post(f"{path}/skip", json={"reason": "a test", "by": "ada", "position": 4})
    again = await client.post(f"{path}/skip", json={"reason": "a test", "by": "ada", "position": 4})

    assert (retried["settled"], [each["parts"] for each in retried["parked"]]) == (True, [ALL])
    assert (skipped.json()["settled"], skipped.json()["parked"]) == (True, [])
    assert [(each["projection"], each["position"]) for each in skipped.json()["skipped"]] == [("profiles", 4)]
    assert (again.status_code, again.json()["type"]) == (404, "/problems/not-parked")
    assert [each["id"] for each in (await parked(client, 1))["parked"]] == [str(ADA)]


async def test_in_one_part_it_is_skipped_there_alone(client, group):
    await client.post(f"/parked/profiles.2/{group}/skip", json={"reason": "a test"})

    [left] = (await parked(client, 1, f"/parked/profiles/{group}"))["parked"]
    assert left["parts"] == ["profiles.0", "profiles.1"]


@pytest.mark.parametrize("name", ["people", "profiles.3", "profile"])
async def test_a_part_that_is_not_there_is_said(client, name):
    answer = await client.get(f"/parked/{name}/{ADA}")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/projection-not-found")


async def test_what_all_parts_have_made_of_an_event_is_said_once(client):
    effects = (await client.get("/events/4")).json()["projections"]

    of_profiles = [each for each in effects if each["projection"].startswith("profiles")]
    assert [(each["projection"], each["outcome"], each["why"]) for each in of_profiles] == [
        ("profiles", "parked", "ValueError")
    ]
    assert [each["projection"] for each in effects if each["projection"].startswith("groups")] != ["groups"]
