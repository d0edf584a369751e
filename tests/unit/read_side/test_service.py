"""What the read API serves besides people."""

import pytest
from structlog.testing import capture_logs

from read_side.freshness import ProjectionBehind
from read_side.http.problems import PROBLEMS, rejection
from read_side.http.resources import RESOURCES
from read_side.views import NeverFilled
from shared.errors import EvictionPossible, Overloaded, Unavailable
from tests.support.measures import counts
from tests.support.read_side import ADA


def reads(more=1, look_up="/profiles/by-handle/{handle}", *, outcome):
    return counts("muster_reads_total", more, look_up=look_up, outcome=outcome)


@pytest.mark.usefixtures("groups", "activity", "stats", "feed")
async def test_it_is_ready_once_it_can_say_where_it_stands(client, empty_views):
    """Alive at once; ready when every read model is filled, and until then it says what is missing."""
    before, alive = await client.get("/readyz"), await client.get("/livez")

    empty_views.commit(position=0)

    assert alive.status_code == 200
    assert before.status_code == 503
    assert [check for check, outcome in before.json()["checks"].items() if "NeverFilled" in outcome] == ["ProfileViews"]
    assert (await client.get("/readyz")).json() == {
        "status": "ready",
        "checks": dict.fromkeys(("ProfileViews", "GroupViews", "ActivityViews", "StatsViews", "ChangeViews"), "ok"),
    }


async def test_a_defect_of_a_view_is_answered_and_quotes_no_key(client, views, monkeypatch):
    """The views are bound when the service starts; what they compute with is not."""
    monkeypatch.delattr(views, "_documents")

    with capture_logs() as logged:
        answer = await client.get("/profiles/by-handle/aDa")

    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-error")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [each["event"] for each in logged] == ["unexpected error"]
    assert "aDa" not in f"{logged}{answer.text}"


async def test_an_answer_that_the_reader_had_already_is_told_apart(client, views):
    """It was found, and cost no body."""
    etag = (await client.get("/profiles/by-handle/ada")).headers["ETag"]

    with reads(outcome="unchanged"), reads(0, outcome="hit"):
        answer = await client.get("/profiles/by-handle/ada", headers={"If-None-Match": etag})

    assert answer.status_code == 304


async def test_a_batch_counts_as_many_as_it_finds_and_misses(client, views):
    batch = {"handles": ["ada", "bob", "nobody"], "emails": ["nobody@example.org"], "ids": [str(ADA.account_id)]}
    path = "/profiles/batch-get"

    with reads(2, path, outcome="hit"), reads(2, path, outcome="miss"):
        first = await client.post(path, json=batch)
    with reads(2, path, outcome="unchanged"):
        await client.post(path, json=batch, headers={"If-None-Match": first.headers["ETag"]})


async def test_what_no_read_model_answers_is_counted_by_its_problem(client):
    """Nothing was filled here yet, which is neither a hit nor a miss."""
    with counts("muster_reads_refused_total", 1, problem="read-model-not-filled"):
        answer = await client.get("/profiles/by-handle/ada")

    assert answer.status_code == 503


async def test_every_problem_has_a_page(client):
    """The type of a problem can be opened, and says what to do."""
    for problem in PROBLEMS:
        response = await client.get(f"/problems/{problem.name}")

        assert response.status_code == 200
        assert problem.title in response.text


async def test_the_documentation_names_every_route(client):
    """One document, and one page made of it."""
    document, page = (await client.get("/openapi.json")).json(), (await client.get("/docs")).text

    assert document["openapi"] == "3.1.0"
    assert list(document["paths"]) == [
        route.path for resource in RESOURCES for route in (*resource.routes, *resource.streams)
    ]
    assert all(path in page for path in document["paths"])


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ProjectionBehind(position=1, minimum=2), "projection-behind"),
        (NeverFilled("x"), "read-model-not-filled"),
        (Unavailable("x"), "read-model-unavailable"),
        (EvictionPossible("x"), "eviction-possible"),
        (Overloaded("x"), "overloaded"),
    ],
)
def test_whatever_keeps_a_view_from_answering_is_503_with_a_time_to_try_again(error, name):
    """It is never a 404, and never a 500."""
    rejected = rejection(error)

    assert name == rejected.problem.name
    assert rejected.problem.status == 503
    assert int(rejected.headers["Retry-After"]) > 0
