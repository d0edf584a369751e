"""The ops page in a browser: on a real projector, under load, by keyboard, and when things go wrong."""

import time

import pytest

from shared.auth.principal import OPS, PRIVATE
from shared.read_model.envelope import seal, unseal
from shared.read_model.keys import HOME
from shared.text import composed
from tests.support.access import cookie_policy
from tests.support.browser import contrasts, is_focused, is_live, tab_to, visited
from tests.support.event_streams import first, followed
from tests.support.load import REGISTRATIONS, Load
from tests.support.patience import until
from tests.support.sessions import log_held
from tests.support.showcase import LIVE
from tests.support.stack import Child, application

ENOUGH = 4.5
"""Of contrast, for text (WCAG 2.2, 1.4.3)."""
SCREENS = [(1280, 800), (375, 740), (780, 1000), (2560, 1200)]
HOSTILE = '"><script>document.title="run"</script> \u202e\u05e9 Z\u0301\u0301'
REFUSED = "the server responded with a status of 409"


@pytest.fixture(scope="module")
async def stack(mortal_stack):
    """The one in which things are killed, with a few people in it."""
    load = Load(mortal_stack.addresses.write, seed=600, commands=60, kinds=REGISTRATIONS, pause=0)
    await load.run()
    return mortal_stack


@pytest.fixture(scope="module")
async def showcase():
    async with application("tests.support.showcase:create", answers_at="/livez") as url:
        yield url


@pytest.fixture(scope="module")
async def poisoned():
    async with application("tests.support.showcase:create_poisoned", answers_at="/livez") as url:
        yield url


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
        await page.get_by_role("heading", name="All is well").wait_for()
        await is_as_of(page, time.time() * 1_000)
        with_script = await page.locator("main").inner_text()
        height = await page.evaluate("document.documentElement.scrollHeight")
        await page.locator("#behind-hour title").first.wait_for(state="attached")
        bars = await page.locator("#behind-hour title").all_text_contents()
    async with visited(browser, stack.addresses.ops, script=False) as page:
        without_script = await page.locator("body").inner_text()

    assert height <= 800
    assert bars
    assert all(each.endswith(" s") for each in bars)
    for text in (with_script, without_script):
        assert f"{status['head']:,}" in text
        assert status["projectors"][0]["id"] in text
        for each in status["projections"]:
            assert each["generation"] in text
            assert f"{each['checkpoint']:,}" in text
    assert "All is well" in without_script
    assert "Without JavaScript" in without_script


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
        await page.get_by_role("dialog", name="Rebuild profiles?").wait_for()
        for _ in range(8):
            assert await page.evaluate("document.activeElement.matches('body, dialog *')")
            await press("Tab")
        await press("Escape")
        await is_focused(page, "profiles-rebuild")

        await press("Enter")
        await press("Space")  # hold before the switch
        await tab_to(page, "by")
        await page.keyboard.type("ada")
        await press("Enter")
        held = (await in_phase(ops, "held"))["rebuild"]
        card = page.locator("#profiles-rebuilding")
        await card.get_by_text("1 changed").wait_for()
        assert held["by"] == "ada"
        assert "the rebuild of profiles waits for you" in await page.locator("#verdict").inner_text()
        row = card.get_by_role("row").filter(has_text=damaged)
        assert (await row.inner_text()).split() == ["changed", "profile", damaged, "display_name"]

        await tab_to(page, "profiles-switch")
        await press("Enter")
        assert "0 gone and 1 changed, 0 new" in await page.get_by_role("dialog").inner_text()
        await tab_to(page, "question-yes")
        await press("Enter")
        switched = await until(lambda: is_live_generation(ops, held["generation"]))
        await page.locator("#profiles-rollback").wait_for()
        await page.locator("#profiles .result").get_by_text("Switch profiles: done.", exact=True).wait_for()

        await tab_to(page, "profiles-rollback")
        await press("Enter")
        await tab_to(page, "question-yes")
        await press("Enter")
        await until(lambda: is_live_generation(ops, before["generation"]))
        await page.locator("#profiles-generation").get_by_text(before["generation"]).wait_for()
        await is_focused(page, "profiles-rollback")
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
            await page.locator("#verdict").get_by_text("held at").wait_for()
            await page.click("#profiles-rebuild")
            await page.click("#question-yes")
            bar = page.get_by_role("progressbar", name="Progress of the rebuild of profiles")
            await bar.wait_for()
            rebuild = (await in_phase(ops, "replaying"))["rebuild"]
            await until(lambda: has_value(bar, rebuild["target"]))
            shown = await page.locator("#profiles-rebuilding").inner_text()
            first_line = await page.locator("#verdict").inner_text()

            await page.click("#profiles-abort")
            await page.click("#question-yes")
            await in_phase(ops, None)
            await bar.wait_for(state="detached")
            await is_focused(page, "profiles")
    assert f"by pid {pid}" in first_line
    assert "profiles: replaying" in shown
    assert "ordered by an operator on the ops page" in shown
    assert "events a second" in shown
    assert "left" in shown


async def has_value(bar, target):
    """Whether the bar stands somewhere between."""
    value, most = await bar.evaluate("bar => [bar.value, bar.max]")
    return most == target and 0 < value < most


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
        await refusal.get_by_text("is not being built any more").wait_for()
        assert await page.get_by_role("dialog").is_visible()
        await page.keyboard.press("Escape")
        await page.get_by_role("dialog").wait_for(state="hidden")


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
        await page.get_by_text("The connection is lost").wait_for()
        await stack.back(Child.PROJECT, instead_of=killed)

        await is_live(page)
        async with followed(stack.addresses.ops) as (_, events):
            after, sent = (await first(events, "history")).data, await first(events, "status")
        await is_as_of(page, int(sent.id))
        await another.get_by_text("You are signed out").wait_for()
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
        await page.locator("#stats-generation .id").click()
        await page.locator("#stats-generation .copied").wait_for()
        assert await page.evaluate("navigator.clipboard.readText()") == LIVE
        for width, height in SCREENS:
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            texts = await contrasts(page)
            await page.click("#groups-switch")
            asked = await contrasts(page)
            await page.keyboard.press("Escape")

            assert len(texts) > 100
            assert any("Even though" in each["text"] for each in asked)
            assert [each for each in (*texts, *asked) if each["ratio"] < ENOUGH] == []

        charts = await page.get_by_role("img").evaluate_all("all => all.map(each => each.ariaLabel)")
        assert len(charts) == 10
        assert all("at most within an hour" in each for each in charts)
        for name in ("Abort the rebuild of profiles", "Switch groups", "Roll back stats"):
            assert await page.get_by_role("button", name=name, exact=True).count() == 1
        levels = await page.locator("h1:visible, h2:visible, h3:visible").evaluate_all("all => all.map(e => e.tagName)")
        assert (levels[0], levels.count("H1")) == ("H1", 1)
        assert await page.evaluate("document.getAnimations().length") == 0


async def test_without_a_script_a_button_leads_to_a_page_that_asks(browser, poisoned):
    """And what came of the order stands where it was given."""
    async with visited(browser, poisoned, script=False) as page:
        await until(lambda: has_parked(page))
        await page.get_by_role("button", name="Retry").first.click()
        await page.get_by_role("heading", name="Retry registration").wait_for()
        assert [each for each in await contrasts(page) if each["ratio"] < ENOUGH] == []
        await page.get_by_role("link", name="Cancel").click()

        await page.get_by_role("button", name="Skip").nth(-2).click()  # the first of the last person's
        await page.get_by_label("Reason, which is kept").fill("cyd is a test")
        await page.get_by_role("button", name="Skip").click()
        assert (await page.locator("section:has(#parked) .result").inner_text()).startswith("Skip: done")


async def has_parked(page):
    await page.reload()
    return await page.get_by_role("button", name="Retry").count()


async def test_an_event_that_is_parked_is_seen_at_a_glance_retried_and_skipped(browser, poisoned):
    """Its error stands in the first line, and on the first screen; what came of an order stands where it was given."""
    async with visited(browser, poisoned) as page:
        await page.set_viewport_size({"width": 1280, "height": 800})
        await is_live(page)
        parked = page.locator("#parked-shown")
        await parked.get_by_text("ValueError").first.wait_for()
        first_line = await page.locator("#verdict a").inner_text()
        box = await parked.get_by_text("ValueError").first.bounding_box()
        assert "profiles cannot follow: ValueError at position 3" in first_line
        assert box["y"] + box["height"] <= 800

        await parked.get_by_role("button", name="Retry").first.click()
        await page.click("#question-yes")
        result = parked.locator("li").first.locator(".result")
        assert "something is parked still" in await result.inner_text()

        await parked.get_by_role("link", name="3").first.click()
        await page.get_by_role("heading", name="Event 3: account-registered").wait_for()
        assert await page.get_by_text("parked: ValueError").is_visible()
        await page.go_back()
        await is_live(page)

        for _ in range(await skippable(page)):
            skip = parked.get_by_role("button", name="Skip").first
            shown = await skip.get_attribute("data-said")
            await skip.click()
            await page.click("#question-yes")
            assert await page.get_by_role("dialog").is_visible()  # a reason is wanted
            await page.fill("#reason", "bob is a test")
            await page.fill("#by", "ada")
            await page.click("#question-yes")
            await page.get_by_role("dialog").wait_for(state="hidden")
            await page.locator(f"[data-said='{shown}']").first.wait_for(
                state="detached"
            )  # or it would be ordered again
        await page.get_by_text("Nothing is parked").wait_for()
        assert "Skip an event of" in await page.locator("section:has(#parked) .result").inner_text()
        await page.locator("summary").click()
        row = page.locator("#skipped").get_by_role("row").filter(has_text="bob is a test")

        assert "ada" in await row.first.inner_text()
        assert await page.get_by_text("All is well").is_visible()


async def skippable(page):
    """How many events wait for documents, each to be skipped once."""
    report = await (await page.request.get(page.url + "parked")).json()
    return len({position for each in report["parked"] for position in each["waiting"]})


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
        assert await page.locator("tbody tr").count() == 2
        assert [each for each in await contrasts(page) if each["ratio"] < ENOUGH] == []
        await page.get_by_role("link", name=f"{person['position']:,}", exact=True).click()
        assert await page.get_by_text(composed(HOSTILE)).is_visible()
        assert await page.title() != "run"
        assert [each for each in await contrasts(page) if each["ratio"] < ENOUGH] == []
    async with visited(browser, f"{stack.addresses.ops}", **options) as page:
        await page.goto(f"{stack.addresses.ops}/events/{person['position']}")
        assert await page.get_by_text("display_name").is_visible()
        assert await page.get_by_text("run").count() == 0
        async with stack.client(stack.addresses.write) as write:
            (await write.post("/commands/erase-account", json={"account": person["id"]})).raise_for_status()
        await page.reload()
        assert await page.get_by_text("Erased: the person").is_visible()


async def test_a_browser_that_has_not_signed_in_is_told_how(stack, browser):
    """And sees nothing of the page; a link that was used does not help."""
    async with browser.lent() as page:
        answer = await page.goto(stack.addresses.ops)

        assert answer.status == 401
        assert await page.title() == "Muster: sign in"
        assert await page.get_by_text("muster token --link").is_visible()

        link = cookie_policy(stack.addresses.ops)
        await page.goto(link)
        await is_live(page)
        await page.context.clear_cookies()
        answer = await page.goto(link)
        assert answer.status == 401
        assert await page.get_by_text("it was used, or is too old").is_visible()
