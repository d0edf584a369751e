"""The pages in a real browser: Debian's chromium, driven by playwright, which brings none of its own."""

import asyncio
import os
import random
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from tests.support.access import cookie_policy
from tests.support.examples import at_night
from tests.support.patience import SECONDS

REQUIRED = "BROWSER_REQUIRED"
"""Set where it must not be left out: in `.ci/run`."""
PATIENCE = SECONDS * 1_000
"""Milliseconds that a browser is waited for, whatever it is to do or to show."""
expect.set_options(timeout=PATIENCE)

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SIZES = {
    "desk": {"width": 1200, "height": 900},
    "tablet": {"width": 780, "height": 1000},
    "phone": {"width": 360, "height": 740},
}
ENOUGH = 4.5
"""Of contrast, for text (WCAG 2.2, 1.4.3)."""
OF_PAGES = {"script", "stylesheet"}

_CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const lightness = ([r, g, b]) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((v) => linear(v / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(each).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  };
  const shown = [...document.querySelectorAll("body *")].filter((each) => each.checkVisibility()
    && [...each.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim()));
  return shown.map((each) => {
    const [a, b] = [lightness(parts(getComputedStyle(each).color)), lightness(behind(each))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return { text: each.textContent.trim().slice(0, 40), ratio };
  });
}"""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program; without it, nothing else is started for those who use it."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        reason = f"no chromium on PATH, such as `apt-get install {PROGRAMS[0]}` brings ({', '.join(PROGRAMS)})"
        pytest.fail(reason) if os.environ.get(REQUIRED) else pytest.skip(reason)
    return program


class Pages:
    """
    Pages of one browser, lent to one visit after the other.

    A new one starts processes of its own, which is most of what a short visit costs.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[bool, list[Page]] = {True: [], False: []}

    @asynccontextmanager
    async def lent(self, *, script: bool = True, size: str = "desk", **media: Any) -> AsyncIterator[Page]:
        """
        A page with nothing of the visit before: one that goes wrong leaves none behind.

        :param script: whether the page may run any.
        :param size: one of `SIZES`.
        :param media: of playwright's `emulate_media`.
        """
        page = self._idle[script].pop() if self._idle[script] else await self._new(script=script)
        await page.set_viewport_size(SIZES[size])
        await page.emulate_media(**{"color_scheme": "light", "reduced_motion": "no-preference"} | media)
        try:
            yield page
        except BaseException:
            await page.context.close()
            raise
        await _forget(page)
        self._idle[script].append(page)

    async def _new(self, *, script: bool) -> Page:
        context = await self._browser.new_context(java_script_enabled=script)
        context.set_default_timeout(PATIENCE)
        if at_night():
            await context.route("**/*", _late)
        return await context.new_page()


async def _late(route: Route) -> None:
    """Answer as late as on a busy machine: the HTML is there long before what it needs."""
    await asyncio.sleep(1.5 if route.request.resource_type in OF_PAGES else random.uniform(0, 0.5))
    await route.continue_()


async def _forget(page: Page) -> None:
    await page.unroute_all()
    await page.evaluate("localStorage.clear()")
    await page.context.clear_cookies()
    await page.context.clear_permissions()
    await page.evaluate("location.replace('about:blank')")  # led there by the browser, it would leave its process
    await page.wait_for_url("about:blank")


@pytest.fixture(scope="module")
async def browser(chromium: str) -> AsyncIterator[Pages]:
    """A browser of the module's own."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox does not work for root
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=as_root)
        yield Pages(started)
        await started.close()


@asynccontextmanager
async def held(page: Page, url: str | re.Pattern[str]) -> AsyncIterator[None]:
    """Requests of a page for that come through in the end only."""
    ended = asyncio.Event()

    async def hold(route: Route) -> None:
        await ended.wait()
        await route.fallback()

    await page.route(url, hold)
    try:
        yield
    finally:
        ended.set()


async def is_at(page: Page, heading: str) -> None:
    """Return once the page that has this heading is there: all of it, with its style, and after its scripts."""
    await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    await page.wait_for_load_state()


async def fits(page: Page) -> None:
    """Return once nothing is wider than the screen."""
    await page.wait_for_load_state()  # without its stylesheet a page may fit, too
    await expect(page.locator("html")).to_have_js_property("scrollWidth", page.viewport_size["width"])


async def stands_out(page: Page) -> list[str]:
    """Return every text that is shown; each has contrast with what is behind it (WCAG 2.2, relative luminance)."""
    await page.wait_for_load_state()  # without its stylesheet a page shows texts too
    found = await page.evaluate(_CONTRAST)
    assert [each for each in found if each["ratio"] < ENOUGH] == [], page.url
    return [each["text"] for each in found]


@asynccontextmanager
async def visited(
    browser: Pages,
    url: str,
    *,
    path: str = "",
    scopes: tuple[str, ...] = (),
    may_complain: tuple[str, ...] = (),
    **options: Any,
) -> AsyncIterator[Page]:
    """
    The page as it is shown; in the end nothing was amiss with it.

    :param path: which one of the API that is there, relative to its root.
    :param scopes: what it may do at the people page; without any it is the ops page.
    :param may_complain: what may stand in the console all the same, in part.
    :param options: of `Pages.lent`.
    """
    complaints: list[str] = []
    listeners: dict[Any, Any] = {
        "console": lambda message: complaints.append(f"{message.type}: {message.text}"),
        "pageerror": lambda error: complaints.append(f"error: {error}"),
        "request": lambda request: complaints.extend(_foreign(request.url, url)),
    }
    async with browser.lent(**options) as page:
        for event, hear in listeners.items():
            page.on(event, hear)
        await page.goto(cookie_policy(url, *scopes, next=path))
        yield page
        await fits(page)
        for event, hear in listeners.items():
            page.remove_listener(event, hear)
    assert [each for each in complaints if not any(known in each for known in may_complain)] == []


async def is_live(page: Page) -> None:
    """Return once the page is kept up to date."""
    await expect(page.get_by_text("Live.", exact=True)).to_be_visible()


async def tab_to(page: Page, id: str) -> None:
    """Go from one thing to the next by keyboard, until it is the one."""
    for _ in range(60):
        if await page.evaluate("document.activeElement.id") == id:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {id}")


def _foreign(url: str, own: str) -> list[str]:
    return [] if urlsplit(url).netloc == urlsplit(own).netloc else [f"asks elsewhere: {url}"]
