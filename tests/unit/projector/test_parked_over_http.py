"""What operators see and do about parked events, over HTTP and on the command line."""

from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from projector.cli import parked as cli
from projector.projections.profiles import profiles
from shared.cli.api_client import ApiRefused
from tests.support.bugs import poisoned
from tests.support.histories import nth_id
from tests.support.patience import answered
from tests.support.projectors import ops_client, with_people

ADA = nth_id(1)
ONE = f"/parked/profiles/{ADA}"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def around():
    """Ada, who was given a title and then a name, and Bob."""
    around = with_people("ada", "bob")
    around.history.update(ADA, title="Dr")
    around.history.update(ADA, given_name="Augusta")
    around.append()
    return around


@pytest.fixture
async def client(around):
    async with failing(around) as client:
        yield client


@asynccontextmanager
async def failing(around):
    """A projector that cannot fold the first of Ada's changes."""
    planted = poisoned(profiles, lambda recorded: recorded.position == 5)
    async with ops_client(around, projections=[planted]) as client:
        await until_parked(client, 1)
        yield client


async def until_parked(client, documents):
    """The answer of `GET /parked` once so many documents are."""
    return (await answered(client, "/parked", lambda answer: len(answer.json()["parked"]) == documents)).json()


async def test_what_is_parked_is_listed_with_why_and_since_when(client):
    report = (await client.get("/parked")).json()

    assert report == (await client.get(ONE)).json()
    [document] = report["parked"]
    [failed] = document.pop("failed")
    assert document == {
        "projection": "profiles",
        "kind": "profile",
        "id": str(ADA),
        "stale_since": "2026-11-25T08:00:05Z",
        "waiting": [5, 6],
    }
    assert (failed["position"], failed["error"]) == (5, "ValueError")
    assert failed["code"].startswith(f"{profiles.version}+")
    assert report["skipped"] == []


async def test_status_readiness_and_metrics_tell_how_many_are_parked(client):
    status = (await client.get("/status")).json()

    assert [each["parked"] for each in status["projections"]] == [1]
    assert (await answered(client, "/readyz", lambda answer: "1 documents parked" in answer.text)).status_code == 200


async def test_a_retry_that_fails_leaves_everything_as_it_was(client):
    before = (await client.get(ONE)).json()

    answer = await client.post(f"{ONE}/retry", content=b"{}", headers=JSON)

    assert (answer.status_code, answer.json()["settled"]) == (200, True)
    assert before["parked"] == answer.json()["parked"]


async def test_what_is_skipped_is_listed_with_its_reason(client, around):
    """The change that waited behind it has its effect."""
    answer = await client.post(f"{ONE}/skip", json={"reason": "it never was", "by": "olga"})

    report = answer.json()
    assert (answer.status_code, report["settled"], report["parked"]) == (200, True, [])
    [skipped] = report["skipped"]
    assert (skipped["position"], skipped["reason"], skipped["by"], skipped["at"]) == (
        5,
        "it never was",
        "olga",
        "2026-11-25T09:00:00Z",
    )
    assert report["skipped"] == (await client.get("/parked")).json()["skipped"]
    [stored] = [value[str(ADA)] for key, value in around.store.content.items() if key.endswith(":profile:full")]
    assert b'"given_name":"Augusta"' in stored
    assert b"Dr" not in stored


async def test_another_event_than_the_one_that_is_meant_is_not_skipped(client):
    """Asked twice, by a double click or by two operators, it drops one: of the next, nobody has decided anything."""
    other = await client.post(f"{ONE}/skip", json={"reason": "why", "position": 6})
    meant = await client.post(f"{ONE}/skip", json={"reason": "why", "position": 5})
    again = await client.post(f"{ONE}/skip", json={"reason": "why", "position": 5})

    assert (other.status_code, other.json()["type"]) == (409, "/problems/waits-not-first")
    assert "now the one at 5 does, of 2 that wait" in other.json()["detail"]
    assert [each["position"] for each in meant.json()["skipped"]] == [5]
    assert again.status_code == 404


async def test_with_other_code_what_was_parked_is_tried_by_itself(around):
    """A new release is started after the old one; nobody asked for anything."""
    async with failing(around):
        pass

    async with ops_client(around, projections=[profiles]) as mended:
        report = await until_parked(mended, 0)

    assert report == {"parked": [], "skipped": []}


@pytest.mark.parametrize(
    ("path", "body", "status", "problem"),
    [
        ("/parked/nothing/x/retry", {}, 404, "projection-not-found"),
        (f"/parked/profiles/{nth_id(2)}/retry", {}, 404, "not-parked"),
        (f"/parked/profiles/{nth_id(2)}/skip", {"reason": "why"}, 404, "not-parked"),
        (f"{ONE}/skip", {}, 422, "invalid"),
        (f"{ONE}/skip", {"reason": " "}, 422, "invalid"),
        (f"{ONE}/skip", {"reason": "x" * 1_001}, 422, "invalid"),
        (f"{ONE}/skip", {"reason": "why", "by": "x" * 201}, 422, "invalid"),
        (f"{ONE}/skip", {"reason": "why", "else": 1}, 422, "invalid"),
        (f"{ONE}/retry", {"reason": "why"}, 422, "invalid"),
    ],
)
async def test_what_cannot_be_asked_is_refused(client, path, body, status, problem):
    answer = await client.post(path, json=body)

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}")
    assert (await client.get(f"/problems/{problem}")).status_code == 200


async def test_a_form_of_another_page_is_refused(client):
    """A browser sends it without asking first."""
    answer = await client.post(f"{ONE}/skip", data={"reason": "why"})

    assert answer.status_code == 415
    assert len((await client.get("/parked")).json()["parked"]) == 1


async def test_a_page_of_another_site_is_refused(client):
    answer = await client.post(f"{ONE}/retry", json={}, headers={"Origin": "https://elsewhere.example"})

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-site")


async def test_while_redis_is_away_it_says_so(client, around):
    around.store.available = False

    answer = await client.get("/parked")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "/problems/storage-unavailable"


PARKED = {
    "projection": "profiles",
    "kind": "profile",
    "id": str(ADA),
    "stale_since": "2026-11-25T08:00:05Z",
    "waiting": [5, 6],
    "failed": [{"position": 5, "error": "ValueError", "code": "2+0.1.0.abcd"}],
}
SKIPPED = {
    "projection": "profiles",
    "position": 5,
    "documents": [["profile", str(ADA)]],
    "error": "ValueError",
    "reason": "it never was",
    "by": "olga",
    "at": "2026-11-25T09:00:00Z",
}


@pytest.fixture
def answering(projector_api):
    """Have the commands answered; gives what they asked."""
    requests = []

    def answer(content, status=200):
        def respond(request):
            body = request.content and msgspec.json.decode(request.content)
            requests.append((request.method, request.url.path, body))
            return httpx.Response(status, content=msgspec.json.encode(content))

        projector_api.answer = respond
        return requests

    return answer


def test_the_list_is_a_table(answering, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    answering({"parked": [PARKED], "skipped": [SKIPPED]})

    cli.list_parked()

    shown = capsys.readouterr().out
    assert f"profile {ADA}" in shown
    assert "5: ValueError, by 2+0.1.0.abcd" in shown
    assert "skipped: position 5 of profiles (ValueError), by olga at 2026-11-25 09:00:00Z: it never was" in shown


def test_a_reason_is_shown_as_it_was_given(answering, capsys):
    """It is no markup, and steers no terminal."""
    answering({"parked": [], "skipped": [{**SKIPPED, "reason": "[/nowhere]\x1b[2J\nskipped: nothing"}]})

    cli.list_parked()

    assert "[/nowhere]\\u001b[2J\\u000askipped: nothing" in "".join(capsys.readouterr().out.splitlines())


def test_json_is_one_document(answering, capsys):
    answering(report := {"parked": [PARKED], "skipped": []})

    cli.list_parked(json=True)

    assert report == msgspec.json.decode(capsys.readouterr().out)


@pytest.mark.parametrize(("left", "status"), [([], 0), ([PARKED], 1)])
def test_a_retry_fails_as_long_as_something_is_parked(answering, left, status):
    asked = answering({"settled": True, "parked": left, "skipped": []})

    assert status == cli.retry("profiles", str(ADA))
    assert asked == [("POST", f"{ONE}/retry", {})]


def test_a_skip_says_who_and_why(answering, monkeypatch):
    monkeypatch.setenv("LOGNAME", "olga")
    asked = answering({"settled": True, "parked": [], "skipped": [SKIPPED]})

    cli.skip("profiles", str(ADA), reason="it never was")
    cli.skip("profiles", str(ADA), reason="it never was", position=5)

    said = {"reason": "it never was", "by": "olga"}
    assert asked == [("POST", f"{ONE}/skip", said), ("POST", f"{ONE}/skip", {**said, "position": 5})]


@pytest.mark.parametrize(("name", "status"), [("not-parked", 1), ("projection-not-found", 2)])
def test_what_is_refused_is_one_line_and_a_status(answering, name, status):
    answering({"type": f"/problems/{name}", "title": "No", "status": 404, "detail": "Nothing is parked there"}, 404)

    with pytest.raises(ApiRefused) as refused:
        cli.show("profiles", "x")

    assert refused.value.exit_code == status
    assert str(refused.value) == f"Nothing is parked there ({name}): see `muster parked list`"
