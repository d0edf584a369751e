"""The ops page in a browser: on a real projector, under load, by keyboard, and when things go wrong."""

import asyncio
import subprocess
import time
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from shared.dev_stack.embedded_server import free_port
from shared.read_model.envelope import seal, unseal
from shared.read_model.keys import HOME
from tests.support.access import cookie_policy
from tests.support.browser import CONTRAST, is_focused, is_live, tab_to, visited
from tests.support.event_streams import first, followed
from tests.support.load import REGISTRATIONS, Load
from tests.support.serving import program_serving
from tests.support.sessions import log_held
from tests.support.stack import Child, answers, until

ROOT = Path(__file__).parents[2]
MEASURES = ("lag_events", "lag_seconds", "events_per_second")
FIGURES = {"position": "checkpoint", "events behind": "lag_events", "seconds behind": "lag_seconds"}
ENOUGH = 4.5
"""Of contrast, for text (WCAG 2.2, 1.4.3)."""
SECONDS_SHOWN = 600
REFUSED = "the server responded with a status of 409"


@pytest.fixture(scope="module")
async def stack(mortal_stack):
    """The one in which things are killed, with a few people in it."""
    load = Load(mortal_stack.addresses.write, seed=600, commands=60, kinds=REGISTRATIONS, pause=0)
    await load.run()
    return mortal_stack


@asynccontextmanager
async def serving(factory):
    """An application of `tests.support.showcase`, in a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = _started(program_serving(f"tests.support.showcase:{factory}", port=port))
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await until(lambda: answers(client, f"{url}/livez"))
        yield url
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)


def _started(program):
    return subprocess.Popen(program, cwd=ROOT, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
async def showcase():
    async with serving("create") as url:
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


async def test_the_figures_are_those_of_status(stack, browser, ops):
    """Of each projection, when nothing happens any more; with its generation, and who feeds it."""
    async with visited(browser, stack.addresses.ops) as page:
        await is_live(page)
        status = await until(lambda: at_rest(ops))
        await is_as_of(page, time.time() * 1_000)

        for each in status["projections"]:
            card = page.locator(f"article[aria-labelledby={each['name']}]")
            shown = dict(await card.locator("dl > div").evaluate_all("all => all.map(e => e.innerText.split('\\n'))"))
            assert {label: float(shown[label].replace(",", "")) for label in FIGURES} == {
                label: each[name] for label, name in FIGURES.items()
            }
            assert await card.get_by_role("cell", name=each["generation"]).count() == 1
        assert f"Head of the event log: {status['head']}" in await page.locator("#log").inner_text()
        assert status["projectors"][0]["id"] in await page.locator("#projectors").inner_text()


async def at_rest(ops):
    """What status says once every projection has come to the end of the log."""
    status = (await ops.get("/status")).json()
    return status if {each["lag_events"] for each in status["projections"]} == {0} else None


async def drawn(page, measure):
    """What is drawn of profiles: the moments, in seconds before the last one, with the figures; and the highest.

    Asked for in one go: status may come, and the scale change, between two questions.
    """
    chart = page.locator(f"figure[data-projection=profiles][data-measure={measure}] svg")
    most, points = await chart.evaluate(
        """svg => [
            Number(svg.dataset.most),
            [...svg.querySelectorAll("polyline")].flatMap(e => e.getAttribute("points").split(" ")),
        ]"""
    )
    pairs = [tuple(map(float, point.split(","))) for point in points]
    return [((1 - x / 600) * SECONDS_SHOWN, (78 - y) / 76 * most) for x, y in pairs], most


async def test_the_charts_show_the_figures_of_status(stack, browser):
    """Under load, point by point; and on another page at once, since the server remembers."""
    load = Load(stack.addresses.write, seed=601, clients=8)
    async with visited(browser, stack.addresses.ops) as page, followed(stack.addresses.ops) as (_, events):
        await is_live(page)
        async with load.running():
            await load.grown(by=100)
            sent = [await first(events, "status") for _ in range(4)]
        await is_as_of(page, int(sent[-1].id))

        async with visited(browser, stack.addresses.ops) as another:
            await is_live(another)
            for measure in MEASURES:
                for each in (page, another):
                    await assert_drawn(each, measure, sent)
    assert max(each.data["projections"][0]["events_per_second"] for each in sent) > 1
    assert load.troubles == {}


async def assert_drawn(page, measure, sent):
    """The figures of these moments stand side by side in the chart, as exactly as a tenth of a pixel is."""
    points, most = await drawn(page, measure)
    figures = [each.data["projections"][0][measure] for each in sent]
    times = [int(each.id) / 1_000 for each in sent]
    wanted = [(time - times[-1], figure) for time, figure in zip(times, figures, strict=True)]
    runs = [points[start : start + len(sent)] for start in range(len(points) - len(sent) + 1)]

    def fits(run):
        return all(
            abs(run[-1][0] - before - after) < 0.2 and abs(value - figure) <= 0.01 * most
            for (before, value), (after, figure) in zip(run, wanted, strict=True)
        )

    assert any(map(fits, runs)), (wanted, runs[-3:])


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
        card = page.locator("article[aria-labelledby=profiles]")
        await card.get_by_text("1 changed").wait_for()
        assert held["by"] == "ada"
        row = card.get_by_role("row").filter(has_text=damaged)
        assert (await row.inner_text()).split() == ["changed", "profile", damaged, "display_name"]

        await tab_to(page, "profiles-switch")
        await press("Enter")
        assert "0 gone and 1 changed, 0 new" in await page.get_by_role("dialog").inner_text()
        await tab_to(page, "question-yes")
        await press("Enter")
        switched = await until(lambda: is_live_generation(ops, held["generation"]))
        await page.locator("#profiles-rollback").wait_for()
        assert await page.locator("#news").inner_text() != ""

        await tab_to(page, "profiles-rollback")
        await press("Enter")
        await tab_to(page, "question-yes")
        await press("Enter")
        await until(lambda: is_live_generation(ops, before["generation"]))
        await card.get_by_role("row").filter(has_text=before["generation"]).get_by_text("live").wait_for()
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
            await page.locator("#log").get_by_text("held at").wait_for()
            await page.click("#profiles-rebuild")
            await page.click("#question-yes")
            bar = page.get_by_role("progressbar", name="Progress of the rebuild").first
            await bar.wait_for()
            rebuild = (await in_phase(ops, "replaying"))["rebuild"]
            await until(lambda: has_value(bar, rebuild["target"]))
            shown = await page.locator("#profiles-building").inner_text()
            log = await page.locator("#log").inner_text()

            await page.click("#profiles-abort")
            await page.click("#question-yes")
            await in_phase(ops, None)
            await bar.wait_for(state="detached")
            await is_focused(page, "profiles")
    assert f"by pid {pid}" in log
    assert "Rebuild: replaying" in shown
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
        await refusal.get_by_text("no rebuild is under way").wait_for()
        assert await page.get_by_role("dialog").is_visible()
        await page.keyboard.press("Escape")
        await page.get_by_role("dialog").wait_for(state="hidden")


async def test_without_a_script_the_page_shows_the_state_of_now(stack, browser, ops):
    """And no button that would do nothing."""
    status = await profiles(ops)
    async with followed(stack.addresses.ops) as (_, events):
        await is_later(events, than=time.time() * 1_000)
    async with visited(browser, stack.addresses.ops, java_script_enabled=False) as page:
        text = await page.locator("body").inner_text()

        assert f"Head of the event log: {(await ops.get('/status')).json()['head']:,}" in text
        assert status["generation"] in text
        assert "Without JavaScript" in text
        assert await page.locator("button:visible").count() == 0


async def test_the_page_goes_on_when_the_projector_comes_back(stack, browser):
    """It says that it has lost it, and then what is now."""
    async with visited(browser, stack.addresses.ops, may_complain=("net::ERR",)) as page:
        await is_live(page)
        killed = stack.kill(Child.PROJECT)
        await page.get_by_text("The connection is lost").wait_for()
        await stack.back(Child.PROJECT, instead_of=killed)

        await is_live(page)
        async with followed(stack.addresses.ops) as (_, events):
            sent = await first(events, "status")
        await is_as_of(page, int(sent.id))


async def is_later(events, *, than):
    """Return once the state is as of a later time."""
    while int((await first(events, "status")).id) < than:
        pass


async def is_as_of(page, moment):
    """Return once the page shows a moment, in milliseconds since 1970, or a later one."""
    shown = "new Date(document.querySelector('#seen time').dateTime)"
    await page.wait_for_function(f"moment => {shown} >= moment", arg=moment)


@pytest.mark.parametrize(
    ("size", "scheme"),
    [("desk", "light"), ("desk", "dark"), ("tablet", "light"), ("phone", "light"), ("phone", "dark")],
)
async def test_everything_can_be_read_on_any_screen(browser, showcase, size, scheme):
    """Nothing is wider than the screen, and every text stands out; in the dialog too."""
    async with visited(browser, showcase, size=size, color_scheme=scheme, reduced_motion="reduce") as page:
        await is_live(page)
        texts = await page.evaluate(CONTRAST)
        await page.click("#groups-switch")
        asked = await page.evaluate(CONTRAST)
        await page.keyboard.press("Escape")
        moving = await page.evaluate("document.getAnimations().length")

    assert len(texts) > 100
    assert any("Even though" in each["text"] for each in asked)
    assert [each for each in (*texts, *asked) if each["ratio"] < ENOUGH] == []
    assert moving == 0


async def test_who_does_not_see_it_is_told_as_much(browser, showcase):
    """Charts have words, buttons say on what they act, and what changes is announced."""
    async with visited(browser, showcase) as page:
        await is_live(page)

        charts = await page.get_by_role("img").evaluate_all("all => all.map(each => each.ariaLabel)")
        assert len(charts) == 12
        assert charts[0] == "events behind: 3 now, 80 at most, in ten minutes"
        for name in ("Abort the rebuild of profiles", "Switch groups", "Roll back stats"):
            assert await page.get_by_role("button", name=name, exact=True).count() == 1
        assert await page.locator("#news").get_attribute("role") == "status"
        headings = page.locator("h1:visible, h2:visible, h3:visible")
        levels = await headings.evaluate_all("all => all.map(each => each.tagName)")
        assert levels[0] == "H1"
        assert levels.count("H1") == 1


async def test_an_event_that_is_parked_is_retried_and_skipped_with_a_reason(browser):
    """The reason is asked for, kept and shown."""
    async with serving("create_poisoned") as url, visited(browser, url) as page:
        await is_live(page)
        parked = page.locator("#parked-documents")
        await parked.get_by_text("ValueError").first.wait_for()

        await parked.get_by_role("button", name="Retry").first.click()
        await page.click("#question-yes")
        await page.get_by_text("something is parked still").wait_for()

        await parked.get_by_role("button", name="Skip").first.click()
        await page.click("#question-yes")
        assert await page.get_by_role("dialog").is_visible()  # a reason is wanted
        await page.fill("#reason", "bob is a test")
        await page.fill("#by", "ada")
        await page.click("#question-yes")
        row = page.locator("#parked-skipped").get_by_role("row").filter(has_text="bob is a test")
        await row.first.wait_for()

        assert "ada" in await row.first.inner_text()
        status = await (await page.request.get(f"{url}/parked")).json()
        assert [each["reason"] for each in status["skipped"]] == ["bob is a test"]


async def test_a_browser_that_has_not_signed_in_is_told_how(stack, browser):
    """And sees nothing of the page; a link that was used does not help."""
    context = await browser.new_context()
    page = await context.new_page()
    answer = await page.goto(stack.addresses.ops)

    assert answer.status == 401
    assert await page.title() == "Muster: sign in"
    assert await page.get_by_text("muster token --link").is_visible()

    link = cookie_policy(stack.addresses.ops)
    await page.goto(link)
    await is_live(page)
    await context.clear_cookies()
    answer = await page.goto(link)
    assert answer.status == 401
    assert await page.get_by_text("it was used, or is too old").is_visible()
    await context.close()


async def test_a_browser_that_is_signed_out_is_asked_to_sign_in(stack, browser):
    """The page stays as it is, and says so."""
    async with visited(browser, stack.addresses.ops, may_complain=("status of 401", "net::ERR")) as page:
        await is_live(page)
        await page.context.clear_cookies()
        killed = stack.kill(Child.PROJECT)
        await stack.back(Child.PROJECT, instead_of=killed)

        await page.get_by_text("You are signed out").wait_for()
