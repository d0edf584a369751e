"""The event browser: what the log holds, what became of it, and who may see what it says."""

import msgspec
import pytest

from projector.folding.parking import Parked, Parking
from projector.monitoring.event_effects import outcome_of
from projector.projections.groups import groups
from projector.projections.stats import stats
from projector.store.inspection import GenerationSnapshot
from shared.auth.authentication import Authentication, NoAuthentication
from shared.auth.principal import OPS, PRIVATE, Principal
from shared.event_log import UnknownEvent
from shared.read_model.positions import Checkpoint
from tests.support.bugs import of_account, poisoned
from tests.support.folding import PROFILES
from tests.support.histories import DAWN, nth_id
from tests.support.patience import answered
from tests.support.projectors import ops_client, with_people

HTML = {"Accept": "text/html"}
NASTY = '"><script>run()</script> \u202e\u05e9 Z\u0301\u0301'


def signed_in(*scopes):
    """Lets every caller in with these scopes."""
    authentication = NoAuthentication()
    authentication.anonymous = Principal("ada", frozenset(scopes), is_limited=False)
    return lambda registry: registry.register_value(Authentication, authentication)


async def folded(client, position):
    """Wait until every projection is there."""

    def is_there(answer):
        return {each["outcome"] for each in answer.json()["projections"]}.isdisjoint({"not folded yet"})

    return (await answered(client, f"/events/{position}", is_there)).json()


async def test_the_log_is_walked_newest_first_to_its_beginning():
    around = with_people("ada", "bob", "cyd")
    async with ops_client(around) as client:
        first = (await client.get("/events?limit=4")).json()
        second = (await client.get(f"/events?limit=4&before={first['next_before']}")).json()

    assert [each["position"] for each in first["items"]] == [6, 5, 4, 3]
    assert [each["position"] for each in second["items"]] == [2, 1]
    assert second["next_before"] is None


async def test_events_are_found_by_what_they_are_about_by_type_and_by_correlation():
    around = with_people("ada", "bob")
    board = around.history.create_group("board")
    around.history.add_member(board, nth_id(2))
    around.append()
    async with ops_client(around) as client:

        async def types(query):
            return [each["type"] for each in (await client.get(f"/events?{query}")).json()["items"]]

        assert await types(f"aggregate={nth_id(2)}") == ["member-added", "profile-created", "account-registered"]
        assert await types(f"aggregate={board}") == ["group-created"]
        assert await types(f"aggregate={nth_id(2)}&type=profile-created") == ["profile-created"]
        assert await types("correlation=test&limit=2&type=account-registered&before=&aggregate=") == 2 * [
            "account-registered"
        ]
        assert await types("correlation=another") == []


async def test_an_event_says_what_each_projection_made_of_it():
    """With the record's version now, and the last event that it reflects."""
    around = with_people("ada")
    around.history.change_handle(nth_id(1), "ada.l")
    around.append()
    async with ops_client(around, projections=(PROFILES, groups, stats)) as client:
        found = await folded(client, 1)

    profiles, *_, counted = found["projections"]
    assert found["event"]["metadata"] == {"command": "test", "actor": "test", "correlation": "test"}
    assert (profiles["outcome"], profiles["checkpoint"], profiles["documents"][0]) == (
        "folded",
        3,
        {"kind": "profile", "id": str(nth_id(1)), "position": 3, "version": 2},
    )
    assert counted["projection"] == "stats"
    assert counted["outcome"] == "folded"


async def test_what_concerns_no_document_is_not_of_interest():
    around = with_people("ada")
    around.history.change_handle(nth_id(1), "ada.l")
    around.append()
    async with ops_client(around, projections=(PROFILES, stats)) as client:
        found = await folded(client, 3)

    assert [each["outcome"] for each in found["projections"]] == ["folded", "not of interest"]


async def test_what_is_parked_is_shown_with_its_error_and_what_is_skipped_with_its_reason():
    around = with_people("ada", "bob")
    profiles = poisoned(PROFILES, of_account(nth_id(2)))
    async with ops_client(around, projections=(profiles,)) as client:
        [parked] = (await folded(client, 3))["projections"]
        path = f"/parked/profiles/{nth_id(2)}/skip"
        await client.post(path, json={"reason": "a test", "by": "ada"})
        [skipped] = (await folded(client, 3))["projections"]
        page = await client.get("/events/3", headers=HTML)

    assert (parked["outcome"], parked["why"]) == ("parked", "ValueError")
    assert (skipped["outcome"], skipped["why"]) == ("skipped", "a test (ada)")
    assert "a test (ada)" in page.text


def test_of_a_damaged_generation_nothing_is_said():
    """Nor is an event parked because one of its documents is not revised yet."""
    document = PROFILES.kinds[0].key(nth_id(1))
    fan_out = Parked(position=3, since=DAWN, documents=(document,), is_fan_out=True)
    sound = GenerationSnapshot(None, Checkpoint(5), Parking(events=(fan_out,)), None, {}, {}, {})

    assert outcome_of(3, sound) == ("folded", None)
    assert outcome_of(3, sound._replace(damaged="applied in part")) == ("unknown", "applied in part")


async def test_values_are_for_the_private_scope_alone():
    """Others see the names of the fields, on the page too."""
    around = with_people("ada")
    async with ops_client(around, admitting=signed_in(OPS)) as client:
        [event] = (await client.get("/events?type=account-registered")).json()["items"]
        page = (await client.get("/events/1", headers=HTML)).text
    async with ops_client(around, admitting=signed_in(OPS, PRIVATE)) as client:
        seen = (await client.get("/events/1")).json()["event"]

    assert (event["data"], event["fields"]) == (None, ["account_id", "email", "handle", "external_id"])
    assert "ada@example.org" not in page
    assert "profiles:read.private" in page
    assert seen["data"]["email"] == "ada@example.org"


async def test_what_was_erased_is_shown_as_erased_and_what_is_unknown_as_unknown():
    around = with_people("ada")
    around.erase(nth_id(1))
    around.history.record("account", nth_id(9), UnknownEvent("account-enchanted", 3, "it is too new"))
    around.append()
    async with ops_client(around, projections=(stats,)) as client:
        page = (await client.get("/events/1", headers=HTML)).text
        unknown, *_, erased = (await client.get("/events")).json()["items"]

    assert "Erased: the person it was about was erased at position" in page
    assert "@example.org" not in page
    assert (erased["type"], erased["data"], erased["erased_by"]) == ("account-registered", None, 3)
    assert (unknown["type"], unknown["unknown"]) == ("account-enchanted", "it is too new")


async def test_what_an_event_says_is_text():
    """Whatever it may be: nothing of it is markup, and none of it turns what stands beside it around."""
    around = with_people()
    around.history.register("ada", display_name=NASTY, tags=(NASTY,), links={NASTY: "https://x.example"})
    around.append()
    around.log._events[0] = msgspec.structs.replace(
        around.log.events[0], metadata=msgspec.structs.replace(around.log.events[0].metadata, actor=NASTY)
    )
    async with ops_client(around) as client:
        pages = [(await client.get(path, headers=HTML)).text for path in ("/events", "/events/1", "/events/2")]

    assert not any("<script>" in page for page in pages)
    assert pages[2].count("<bdi>&#34;&gt;&lt;script&gt;run()&lt;/script&gt; \u202e\u05e9 Z\u0301\u0301</bdi>") == 3


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/events?before=x", 422, "?before"),
        ("/events?aggregate=ada", 422, "?aggregate"),
        ("/events?limit=0", 422, "?limit"),
        ("/events?colour=red", 422, "?colour"),
        ("/events/99", 404, "no event at position 99"),
        ("/events/x", 404, "no event at position x"),
        (f"/events/{10**30}", 404, "no event at position"),
    ],
)
async def test_what_cannot_be_shown_is_refused_as_a_page_and_as_a_problem(path, status, says):
    async with ops_client(with_people("ada")) as client:
        page, problem = await client.get(path, headers=HTML), await client.get(path)

    assert (page.status_code, problem.status_code) == (status, status)
    assert says in problem.json()["detail"]
    assert says in page.text
    assert page.headers["Content-Type"].startswith("text/html")


async def test_a_filter_stays_in_the_form_and_in_the_next_page():
    around = with_people("ada", "bob")
    async with ops_client(around) as client:
        page = (await client.get("/events?type=profile-created&limit=1&correlation=test", headers=HTML)).text

    assert "<option selected>profile-created" in page
    assert 'href="./events?type=profile-created&amp;limit=1&amp;correlation=test&amp;before=4"' in page
