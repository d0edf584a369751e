"""The buttons of the ops page without a script: a page each says what will happen, asks, and sends the order."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from projector.api.order_pages import button_in
from projector.main import projector_app
from projector.monitoring.answers import Status
from projector.monitoring.deliveries import DeliveriesReport
from projector.monitoring.status_history import StatusSnapshot
from projector.parked.answers import ParkedReport
from projector.projections.groups import groups
from shared.auth.setup import admit_everyone
from shared.http.problems import Rejection
from tests.support.apps import app_client
from tests.support.bugs import of_account, poisoned
from tests.support.folding import PROFILES
from tests.support.histories import nth_id
from tests.support.patience import until
from tests.support.projectors import register_on, with_people
from tests.support.showcase import NOW, shows_everything

NOTHING_PARKED = ParkedReport(parked=(), skipped=())
NO_DELIVERIES = DeliveriesReport(waiting=0, given_up=0, deliveries=())
OURS = {"Origin": "http://localhost", "Accept": "text/html"}


@pytest.fixture
def around():
    return with_people("ada", "bob")


@pytest.fixture
async def client(around):
    """Of a projector that cannot fold what happens to bob."""
    projections = (poisoned(PROFILES, of_account(nth_id(2))), groups)
    async with app_client(
        projector_app, admit_everyone, lambda registry: register_on(registry, around, projections=projections)
    ) as client:
        client.headers.update(OURS)
        yield client


async def button(client, action):
    """The id of the first button that says so, once there is one."""

    async def found():
        page = (await client.get("/")).text
        return next(iter(re.findall(rf'name="button" value="([^"]+)"[^>]*>{action}</button>', page)), None)

    return await until(found)


async def asked(client, id):
    """What the page of an order sends besides what is typed."""
    return {"button": id, **asked_in(await client.get("/order", params={"button": id}))}


def asked_in(answer):
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
    return {name: unescape(value) for name, value in hidden}


async def ordered(client, id, **fields):
    return await client.post("/order", data={**await asked(client, id), **fields})


async def shown(client, answer):
    """What stands where an order has led: its result, and the page."""
    page = (await client.get(answer.headers["Location"].removeprefix("."))).text
    return re.search(r'class="result" role="status">(.*?)</p>', page)[1], page


async def test_an_event_is_skipped_by_a_form_that_asks_why(client):
    skip = await button(client, "Skip")
    asked = await client.get(f"/order?{urlencode({'button': skip})}")
    no_reason = await ordered(client, skip, reason=" ", by="ada")
    done = await ordered(client, skip, reason="bob is a test", by="ada")
    result, page = await shown(client, done)

    assert "will have no effect on any document" in asked.text
    assert re.search(r'name="reason"[^>]* required', asked.text)
    assert (no_reason.status_code, 'role="alert"' in no_reason.text) == (422, True)
    assert 'value="ada"' in no_reason.text
    assert (done.status_code, done.headers["Location"].partition("#")[2]) == (303, "parked")
    assert result == "Skip: done, but something is parked still."
    assert "bob is a test" in page


async def test_a_skip_that_is_sent_twice_drops_one_event(client):
    """By a double click, say, or by another operator who saw the same page: the next event is not meant."""
    skip = await asked(client, await button(client, "Skip"))
    stale = await client.post("/order", data={**skip, "said": '{"position":1}', "reason": "of another page"})
    answers = [await client.post("/order", data={**skip, "reason": "bob is a test"}) for _ in range(2)]
    report = (await client.get("/parked")).json()

    assert [each.status_code for each in (stale, *answers)] == [409, 303, 409]
    assert "Another event waits first" in answers[1].text
    assert 'value="bob is a test"' in answers[1].text
    assert unescape(answers[1].text).count(skip["said"]) == 0  # it asks about the next one
    assert len(report["skipped"]) == 1


async def test_while_a_server_is_away_an_order_waits_with_what_was_typed(client, around):
    """Whether the page has seen it yet or not; once it is back, the same form is carried out."""
    skip = await asked(client, await button(client, "Skip"))
    typed = {**skip, "reason": "typed at length", "by": "ada"}
    around.store.available = False
    at_once = await client.post("/order", data=typed)
    await until(lambda: has_no_button(client))
    seen = await client.post("/order", data=typed)
    asked_now = await client.get("/order", params={"button": skip["button"]})
    around.store.available = True
    await button(client, "Skip")
    done = await client.post("/order", data={**asked_in(seen), "reason": "typed at length", "by": "ada"})

    for answer in (at_once, seen):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert 'value="typed at length"' in answer.text
        assert 'value="ada"' in answer.text
    assert (asked_now.status_code, asked_now.headers["Retry-After"]) == (503, "1")
    assert done.status_code == 303


async def has_no_button(client):
    return 'name="button"' not in (await client.get("/")).text


@pytest.mark.parametrize(
    ("id", "error", "seen", "status"),
    [
        ("parked-profiles-profile-x-skip", None, {"deliveries": NO_DELIVERIES}, 503),
        ("deliveries-x-retry", None, {"parked": NOTHING_PARKED}, 503),
        ("profiles-switch", "Redis is away", {}, 503),
        ("profiles-switch", None, {}, 409),
        ("parked-profiles-profile-x-skip", None, {"parked": NOTHING_PARKED}, 409),
    ],
)
def test_a_button_is_gone_or_cannot_be_found_out(id, error, seen, status):
    """A report that was too slow to be read says nothing about what it would have listed."""
    with pytest.raises(Rejection) as refused:
        button_in(StatusSnapshot(NOW, Status(projections=[], error=error), **seen), id)

    assert refused.value.problem.status == status
    assert ("Retry-After" in refused.value.headers) is (status == 503)


async def test_an_order_says_what_its_page_has_shown(client):
    skip = await button(client, "Skip")

    answer = await client.post("/order", data={"button": skip, "reason": "why", "by": ""})

    assert answer.status_code == 422
    assert (await client.get("/parked")).json()["skipped"] == []


async def test_what_is_tried_in_vain_is_said_where_it_was_ordered(client):
    result, page = await shown(client, await ordered(client, await button(client, "Retry")))

    assert result == "Retry: done, but something is parked still."
    assert page.index('id="parked"') < page.index('class="result"') < page.index('id="rebuilds"')


async def test_a_rebuild_is_ordered_held_and_given_up(client):
    """What is asked besides is sent along; one without a name has a general one."""
    rebuild = await button(client, "Rebuild")
    held = await ordered(client, rebuild, hold="on", by="")
    abort = await button(client, "Abort")
    page = (await client.get("/")).text
    given_up = await ordered(client, abort)

    assert (await shown(client, held))[0] == "Rebuild: done."
    assert "an operator on the ops page" in page
    assert given_up.status_code == 303


async def test_a_button_that_is_gone_orders_nothing(client):
    answers = [await client.get("/order?button=profiles-switch"), await ordered(client, "nonsense")]

    assert [each.status_code for each in answers] == [409, 409]
    assert all("The state has changed" in each.text for each in answers)


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site"}, {}])
async def test_no_other_site_orders_anything(client, headers):
    rebuild = await button(client, "Rebuild")
    client.headers.pop("Origin")

    answer = await client.post("/order", data={"button": rebuild}, headers=headers)

    assert answer.status_code == 403
    assert await button(client, "Rebuild") == rebuild


async def test_an_address_cannot_have_the_page_say_what_it_likes(client):
    pages = [
        (await client.get(f"/?{urlencode({'place': 'parked', 'action': action, 'outcome': outcome})}")).text
        for action, outcome in (("Done by <b>", "done"), ("Skip", "all your data is gone"))
    ]

    assert all('class="result"' not in each for each in pages)


async def test_what_came_of_an_order_is_no_news_later(client):
    """The address stays, and is loaded again."""
    done = await ordered(client, await button(client, "Rebuild"), by="")
    address = done.headers["Location"].removeprefix(".").partition("#")[0]
    now, later = [await client.get(each) for each in (address, re.sub(r"at=(\d{4})", r"at=1", address))]

    assert ['class="result"' in each.text for each in (now, later)] == [True, False]


async def test_after_signing_in_again_an_order_leads_to_the_dashboard(client):
    """A page that was to be posted to has nothing to ask about."""
    answer = await client.get("/order")

    assert (answer.status_code, answer.headers["Location"]) == (303, "./")


async def test_every_button_has_a_page():
    async with app_client(projector_app, admit_everyone, shows_everything()) as client:
        page = (await client.get("/")).text
        ids = [unescape(each) for each in re.findall(r'name="button" value="([^"]+)"', page)]
        asked = [await client.get("/order", params={"button": each}, headers=OURS) for each in ids]

    assert len(ids) >= 9
    assert {each.status_code for each in asked} == {200}
    assert all(re.search(r'name="force"', each.text) for each in asked if "Switch groups" in each.text)
