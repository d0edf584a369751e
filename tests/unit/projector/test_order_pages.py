"""The buttons of the ops page without a script: a page each says what will happen, asks, and sends the order."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from projector.main import projector_app
from projector.projections.groups import groups
from shared.auth.setup import admit_everyone
from tests.support.apps import app_client
from tests.support.bugs import of_account, poisoned
from tests.support.folding import PROFILES
from tests.support.histories import nth_id
from tests.support.projectors import register_on, with_people
from tests.support.showcase import shows_everything
from tests.support.stack import until

OURS = {"Origin": "http://localhost", "Accept": "text/html"}


@pytest.fixture
async def client():
    """Of a projector that cannot fold what happens to bob."""
    projections = (poisoned(PROFILES, of_account(nth_id(2))), groups)
    around = with_people("ada", "bob")
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
    page = (await client.get("/order", params={"button": id})).text
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {"button": id, **{name: unescape(value) for name, value in hidden}}


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
    assert len(report["skipped"]) == 1


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


async def test_every_button_has_a_page():
    async with app_client(projector_app, admit_everyone, shows_everything()) as client:
        page = (await client.get("/")).text
        ids = [unescape(each) for each in re.findall(r'name="button" value="([^"]+)"', page)]
        asked = [await client.get("/order", params={"button": each}, headers=OURS) for each in ids]

    assert len(ids) >= 9
    assert {each.status_code for each in asked} == {200}
    assert all(re.search(r'name="force"', each.text) for each in asked if "Switch groups" in each.text)
