"""The ops page in a browser: on a real projector, under load, by keyboard, and when things go wrong."""

import json
import re

import httpx
import pytest
from playwright.async_api import expect

from shared.auth.principal import OPS, PRIVATE
from shared.read_model.envelope import seal, unseal
from shared.read_model.keys import HOME
from shared.text import composed
from tests.support.access import cookie_policy
from tests.support.browser import fits, held, is_at, is_live, stands_out, tab_to, visited
from tests.support.event_streams import first, followed
from tests.support.load import REGISTRATIONS, Load
from tests.support.patience import until
from tests.support.served import served
from tests.support.sessions import log_held
from tests.support.showcase import LIVE
from tests.support.stack import Child

SCREENS = [(1280, 800), (375, 740), (780, 1000), (2560, 1200)]
HOSTILE = '"><script>document.title="run"</script> \u202e\u05e9 Z\u0301\u0301'
IN_SECONDS = re.compile(" s$")
REFUSED = "the server responded with a status of 409"


@pytest.fixture(scope="module")
async def stack(mortal_stack):
    """The one in which things are killed, with a few people in it."""
    load = Load(mortal_stack.addresses.write, seed=600, commands=60, kinds=REGISTRATIONS, pause=0)
    await load.run()
    return mortal_stack


@pytest.fixture(scope="module")
def showcase():
    with served("tests.support.showcase:create", answers_at="/livez") as app:
        yield app.url


@pytest.fixture(scope="module")
async def poisoned():
    with served("tests.support.showcase:create_poisoned", answers_at="/livez") as app:
        await until(lambda: shows(app.url, "ValueError"))
        yield app.url


async def shows(url, text):
    async with httpx.AsyncClient(trust_env=False) as client:
        return text in (await client.get(url)).text


@pytest.fixture
async def ops(stack):
    """The API that the page uses, too."""
    async with stack.client(stack.addresses.ops) as client:
        yield client
        await client.post("/projections/profiles/abort", json={})


async def profiles(ops):
    status, *_ = (await ops.get("/status")).json()["projections"]
    return status


async def in_phase(ops, phase):
    """What status says of profiles once its rebuild is in a phase; None is none."""

    async def reached():
        status = await profiles(ops)
        return status if (status["rebuild"] and status["rebuild"]["phase"]) == phase else None

    return await until(reached)


async def test_all_is_well_on_one_screen(stack, browser, ops):
    """With the figures of status, when nothing happens any more; without a script too."""
    async with visited(browser, stack.addresses.ops) as page:
        await page.set_viewport_size({"width": 1280, "height": 800})
        await is_live(page)
        status = await until(lambda: at_rest(ops))
        await is_at(page, "All is well")
        await says(page, *figures(status))
        await expect(page.locator("footer")).to_be_in_viewport(ratio=1)
        bars = page.locator("#behind-hour title")
        await expect(bars.first).to_have_text(IN_SECONDS)
        await expect(bars.and_(page.locator("title", has_not_text=IN_SECONDS))).to_have_count(0)
    async with visited(browser, stack.addresses.ops, script=False) as page:
        await says(page, *figures(status), "All is well", "Without JavaScript")


def figures(status):
    """What a page shows of it."""
    yield f"{status['head']:,}"
    yield status["projectors"][0]["id"]
    for each in status["projections"]:
        yield each["generation"]
        yield f"{each['checkpoint']:,}"


async def says(page, *texts):
    for each in texts:
        await expect(page.locator("body")).to_contain_text(each, use_inner_text=True)


async def at_rest(ops):
    """What status says once every projection has come to the end of the log."""
    status = (await ops.get("/status")).json()
    return status if {each["lag_events"] for each in status["projections"]} == {0} else None


@pytest.fixture
async def damaged(stack, ops):
    """A name is not what the log says, in Redis."""
    generation = (await profiles(ops))["generation"]
    key = HOME.projection("profiles").generation(generation).documents("profile", "full")
    with stack.redis() as redis:
        id_, sealed = next(redis.hscan_iter(key))
        document = unseal(sealed)
        name = document.body.replace(b'"display_name":"', b'"display_name":"Not ')
        redis.hset(key, id_, seal(position=document.position, body=name))
        yield id_.decode()
        redis.hset(key, id_, sealed)


async def test_a_rebuild_is_ordered_looked_at_switched_and_taken_back_by_keyboard(stack, browser, ops, damaged):
    """The dialog takes the focus, keeps it, and gives it back."""
    before = await profiles(ops)
    async with visited(browser, stack.addresses.ops, color_scheme="dark") as page:
        await is_live(page)
        press = page.keyboard.press

        await tab_to(page, "profiles-rebuild")
        await press("Enter")
        await expect(page.get_by_role("dialog", name="Rebuild profiles?")).to_be_visible()
        for _ in range(8):
            await expect(page.locator(":focus:not(dialog *)")).to_have_count(0)
            await press("Tab")
        await press("Escape")
        await expect(page.locator("#profiles-rebuild")).to_be_focused()

        await press("Enter")
        await press("Space")  # hold before the switch
        await tab_to(page, "by")
        await page.keyboard.type("ada")
        await press("Enter")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        held = (await in_phase(ops, "held"))["rebuild"]
        card = page.locator("#profiles-rebuilding")
        await expect(card).to_contain_text("1 changed")
        assert held["by"] == "ada"
        await expect(page.locator("#verdict")).to_contain_text("the rebuild of profiles waits for you")
        row = card.get_by_role("row").filter(has_text=damaged)
        await expect(row.get_by_role("cell")).to_have_text(["changed", f"profile {damaged}", "display_name"])

        await tab_to(page, "profiles-switch")
        await press("Enter")
        await expect(page.get_by_role("dialog")).to_contain_text("0 gone and 1 changed, 0 new")
        await tab_to(page, "question-yes")
        await press("Enter")
        switched = await until(lambda: is_live_generation(ops, held["generation"]))
        await expect(page.locator("#profiles-rollback")).to_be_visible()
        await expect(page.locator("#profiles .result")).to_have_text("Switch profiles: done.")

        await tab_to(page, "profiles-rollback")
        await press("Enter")
        await tab_to(page, "question-yes")
        await press("Enter")
        await until(lambda: is_live_generation(ops, before["generation"]))
        await expect(page.locator("#profiles-generation")).to_contain_text(before["generation"])
        await expect(page.locator("#profiles-rollback")).to_be_focused()
    assert switched["rebuild"] is None


async def is_live_generation(ops, generation):
    status = await profiles(ops)
    return status if status["generation"] == generation and status["rebuild"] is None else None


async def test_a_rebuild_that_is_under_way_is_shown_and_aborted(stack, browser, ops):
    """It cannot come to its end: a session holds the log up, and others have gone on behind."""
    load = Load(stack.addresses.write, seed=602, commands=40, kinds=REGISTRATIONS, pause=0)
    async with visited(browser, stack.addresses.ops) as page:
        await is_live(page)
        with log_held(stack.addresses.database_url) as pid:
            await load.run()
            await expect(page.locator("#verdict")).to_contain_text(re.compile(f"held at .* by pid {pid}"))
            await page.click("#profiles-rebuild")
            await page.click("#question-yes")
            bar = page.get_by_role("progressbar", name="Progress of the rebuild of profiles")
            await expect(bar).to_be_visible()
            rebuild = (await in_phase(ops, "replaying"))["rebuild"]
            await expect(bar).to_have_js_property("max", rebuild["target"])
            await expect(bar).to_have_attribute("value", re.compile("^[1-9]"))
            await expect(bar).not_to_have_js_property("position", 1)
            card = page.locator("#profiles-rebuilding")
            for text in ("profiles: replaying", "ordered by an operator on the ops page", "events a second", "left"):
                await expect(card).to_contain_text(text)

            await page.click("#profiles-abort")
            await page.click("#question-yes")
            await in_phase(ops, None)
            await expect(page.locator("#rebuilds-shown")).to_have_text("None is under way.")
            await expect(page.locator("#profiles")).to_be_focused()


async def test_what_is_refused_is_told_with_its_reason(stack, browser, ops):
    """Another order was faster; nothing is closed until that was read."""
    await ops.post("/projections/profiles/rebuild", json={"hold": True})
    await in_phase(ops, "held")
    async with visited(browser, stack.addresses.ops, may_complain=(REFUSED,)) as page:
        await is_live(page)
        await page.click("#profiles-abort")
        await ops.post("/projections/profiles/abort", json={})
        await page.click("#question-yes")

        refusal = page.get_by_role("alert")
        await expect(refusal).to_contain_text("is not being built any more")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_the_page_goes_on_when_the_projector_comes_back(stack, browser):
    """It says that it has lost it, then what is now, with the hour before; one that is signed out says that."""
    async with (
        visited(browser, stack.addresses.ops, may_complain=("net::ERR",)) as page,
        visited(browser, stack.addresses.ops, may_complain=("status of 401", "net::ERR")) as another,
    ):
        await is_live(page)
        await is_live(another)
        await another.context.clear_cookies()
        async with followed(stack.addresses.ops) as (_, events):
            before = (await first(events, "history")).data
        killed = stack.kill(Child.PROJECT)
        await expect(page.get_by_text("The connection is lost")).to_be_visible()
        await stack.back(Child.PROJECT, instead_of=killed)

        await is_live(page)
        async with followed(stack.addresses.ops) as (_, events):
            after, sent = (await first(events, "history")).data, await first(events, "status")
        await is_as_of(page, int(sent.id))
        await expect(another.get_by_text("You are signed out")).to_be_visible()
    assert minutes(after)[: len(minutes(before))] == minutes(before)
    assert after["at"][-1] >= before["at"][-1]


def minutes(history):
    """Those of which it has a point: until a minute is over, its point may be seen before it is kept."""
    return [at // 60_000 for at in history["at"]]


async def is_as_of(page, moment):
    """Return once the page shows a moment, in milliseconds since 1970, or a later one."""
    shown = "new Date(document.querySelector('#seen time').dateTime)"
    await page.wait_for_function(f"moment => {shown} >= moment", arg=moment)


async def test_everything_can_be_read_on_any_screen(browser, showcase):
    """Nothing is wider than the screen, every text stands out, an id is copied whole; charts and buttons have words."""
    async with visited(browser, showcase, reduced_motion="reduce") as page:
        await is_live(page)
        await page.locator("summary").click()
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.evaluate("setTimeout = () => 0")  # by which the mark goes again, however soon it is looked for
        await page.locator("#stats-generation .id").click()
        await expect(page.locator("#stats-generation .copied")).to_be_visible()
        await page.wait_for_function("id => navigator.clipboard.readText().then(text => text === id)", arg=LIVE)
        for width, height in SCREENS:
            await page.set_viewport_size({"width": width, "height": height})
            await fits(page)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert len(await stands_out(page)) > 100
            await page.click("#groups-switch")
            await expect(page.get_by_role("dialog")).to_contain_text("Even though")
            await stands_out(page)
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_be_hidden()

        await expect(page.get_by_role("img")).to_have_count(10)
        await expect(page.get_by_role("img", name="at most within an hour")).to_have_count(10)
        for name in ("Abort the rebuild of profiles", "Switch groups", "Roll back stats"):
            await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(1)
        await expect(page.get_by_role("heading").first).to_have_js_property("tagName", "H1")
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        await page.wait_for_function("document.getAnimations().length === 0")


async def test_without_a_script_a_button_leads_to_a_page_that_asks(browser, poisoned):
    """And what came of the order stands where it was given."""
    async with visited(browser, poisoned, script=False) as page:
        await page.get_by_role("button", name="Retry").first.click()
        await expect(page.get_by_role("heading", name="Retry registration")).to_be_visible()
        await stands_out(page)
        await page.get_by_role("link", name="Cancel").click()

        await page.get_by_role("button", name="Skip").nth(-2).click()  # the first of the last person's
        await page.get_by_label("Reason, which is kept").fill("cyd is a test")
        await page.get_by_role("button", name="Skip").click()
        await expect(page.locator("section:has(#parked) .result")).to_have_text(re.compile("^Skip: done"))


@pytest.mark.parametrize(
    ("reason", "said"), [(None, "something is parked still"), ("another was faster", "Refused: another was faster.")]
)
async def test_an_answer_that_comes_late_leaves_another_question_as_it_is(browser, poisoned, reason, said):
    """It is told beside its button, be it good or bad."""
    async with visited(browser, poisoned, may_complain=(REFUSED,)) as page:
        await is_live(page)
        if reason:
            problem = {"title": "Refused", "detail": reason}
            await page.route("**/retry", lambda route: route.fulfill(status=409, json=problem))
        first_parked = page.locator("#parked-shown li").first
        async with held(page, "**/retry"):
            async with page.expect_request("**/retry"):
                await first_parked.get_by_role("button", name="Retry").click()
                await page.click("#question-yes")
            await page.keyboard.press("Escape")
            await first_parked.get_by_role("button", name="Skip").click()
            await page.fill("#reason", "bob is a test")
        await expect(first_parked.locator(".result")).to_contain_text(said)
        await expect(page.get_by_role("dialog")).to_be_visible()
        await expect(page.locator("#reason")).to_have_value("bob is a test")
        await expect(page.locator("#question-problem")).to_be_empty()
        await expect(page.locator("#question-yes")).to_be_enabled()


async def test_a_link_keeps_the_focus_when_what_it_stands_in_is_shown_anew(browser, showcase):
    """In a part of the page, a second after it was reached by keyboard."""
    async with visited(browser, showcase) as page:
        stream = f"{showcase}/status/events"
        shown = '<p>Anew</p><a href="events/977">977</a> <a href="events/1040077">1,040,077</a>'
        anew = f"event: page\ndata: {json.dumps({'parked-shown': shown})}\n\n"
        await page.route(stream, lambda route: route.fulfill(content_type="text/event-stream", body=anew))
        async with held(page, stream):
            await page.reload()
            link = page.locator("#parked-shown").get_by_role("link", name="1,040,077")
            await link.first.focus()
        await expect(page.locator("#parked-shown")).to_contain_text("Anew")
        await expect(link).to_be_focused()


async def test_an_event_that_is_parked_is_seen_at_a_glance_retried_and_skipped(browser, poisoned):
    """Its error stands in the first line, and on the first screen; what came of an order stands where it was given."""
    async with visited(browser, poisoned) as page:
        await page.set_viewport_size({"width": 1280, "height": 800})
        await is_live(page)
        parked = page.locator("#parked-shown")
        await expect(parked.get_by_text("ValueError").first).to_be_in_viewport(ratio=1)
        await expect(page.locator("#verdict a")).to_contain_text("profiles cannot follow: ValueError at position 3")

        await parked.get_by_role("button", name="Retry").first.click()
        await page.click("#question-yes")
        result = parked.locator("li").first.locator(".result")
        await expect(result).to_contain_text("something is parked still")

        await parked.get_by_role("link", name="3").first.click()
        await is_at(page, "Event 3: account-registered")
        await expect(page.get_by_text("parked: ValueError")).to_be_visible()
        await page.go_back()
        await is_live(page)

        for position in await waiting(page):
            skip = parked.locator(f"""button[data-said='{{"position":{position}}}']""")
            await skip.first.click()
            await page.click("#question-yes")
            await expect(page.locator("#reason")).to_be_focused()  # it is wanted
            await expect(page.get_by_role("dialog")).to_be_visible()
            await page.fill("#reason", "bob is a test")
            await page.fill("#by", "ada")
            await page.click("#question-yes")
            await expect(page.get_by_role("dialog")).to_be_hidden()
            await expect(skip).to_have_count(0)  # or what comes after it could not be skipped yet
        await expect(parked).to_have_text("Nothing is parked.")
        await expect(page.locator("section:has(#parked) .result")).to_contain_text("Skip an event of")
        await page.locator("summary").click()
        row = page.locator("#skipped").get_by_role("row").filter(has_text="bob is a test")

        await expect(row.first).to_contain_text("ada")
        await is_at(page, "All is well")


async def waiting(page):
    """The positions that wait for documents, each to be skipped once."""
    report = await (await page.request.get(page.url + "parked")).json()
    return sorted({position for each in report["parked"] for position in each["waiting"]})


async def test_the_log_is_browsed_and_shows_what_is_private_to_whom_may_see_it(stack, browser):
    """By form and by links, on a phone in the dark without a script; names are text, and what was erased is gone."""
    async with stack.client(stack.addresses.write) as write:
        fields = {"handle": "browsed.page", "email": "browsed@example.org", "display_name": HOSTILE}
        person = (await write.post("/commands/register-account", json=fields)).raise_for_status().json()
    options = {"size": "phone", "color_scheme": "dark", "script": False}
    async with visited(browser, stack.addresses.ops, scopes=(OPS, PRIVATE), **options) as page:
        await page.get_by_role("link", name="Events").click()
        await page.get_by_label("account, group or membership").fill(person["id"])
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("tbody tr")).to_have_count(2)
        await stands_out(page)
        await page.get_by_role("link", name=f"{person['position']:,}", exact=True).click()
        await expect(page.get_by_text(composed(HOSTILE))).to_be_visible()
        await expect(page).to_have_title(f"Muster: event {person['position']}")
        await stands_out(page)
    async with visited(browser, stack.addresses.ops, path=f"events/{person['position']}", **options) as page:
        await is_at(page, f"Event {person['position']:,}: profile-created")
        await expect(page.get_by_text("display_name")).to_be_visible()
        await expect(page.get_by_text("run")).to_have_count(0)
        async with stack.client(stack.addresses.write) as write:
            (await write.post("/commands/erase-account", json={"account": person["id"]})).raise_for_status()
        await page.reload()
        await expect(page.get_by_text("Erased: the person")).to_be_visible()


async def test_a_browser_that_has_not_signed_in_is_told_how(stack, browser):
    """And sees nothing of the page; a link that was used does not help."""
    async with browser.lent() as page:
        answer = await page.goto(stack.addresses.ops)

        assert answer.status == 401
        await expect(page).to_have_title("Muster: sign in")
        await expect(page.get_by_text("muster token --link")).to_be_visible()

        link = cookie_policy(stack.addresses.ops)
        await page.goto(link)
        await is_live(page)
        await page.context.clear_cookies()
        answer = await page.goto(link)
        assert answer.status == 401
        await expect(page.get_by_text("it was used, or is too old")).to_be_visible()
