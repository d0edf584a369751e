"""The documentation of both APIs, as a developer of clients works from it: every line runs as pasted."""

import html
import re
import subprocess
from datetime import UTC, datetime

import httpx
import pytest
from playwright.async_api import expect

from read_side.http.documentation import document as read_document
from shared.auth.principal import COMMANDS, EXPORT, PRIVATE, READ
from shared.http.docs.operations import operations_of
from shared.http.openapi.examples import EXAMPLE_ID
from tests.support.access import bearing, cookie_policy
from tests.support.browser import fits, stands_out, visited
from tests.support.examples import examples
from tests.support.mails import mailed_token
from tests.support.patience import SECONDS
from write_side.http.documentation import document as write_document

OPERATIONS = {"write": operations_of(write_document()), "read": operations_of(read_document())}
SCOPES = (COMMANDS, READ, PRIVATE, EXPORT)
TWO_SCREENS = {"width": 1280, "height": 2 * 800}
AS_HTML = {"Accept": "text/html"}
BEFORE = ("register_account", "create_group", "add_group_member", "verify_email")
AFTER = ("remove_group_member", "delete_group", "close_account", "erase_account")
"""What has to come first, and last, if each is to have something to do."""


@pytest.fixture(scope="module")
def readers(stack):
    """Of each API's documentation, both in one session."""
    with httpx.Client(timeout=SECONDS, follow_redirects=True, trust_env=False) as read:
        read.base_url = stack.addresses.read
        read.get(cookie_policy(stack.addresses.read, *SCOPES))
        [session] = [each.value for each in read.cookies.jar]
        port = httpx.URL(stack.addresses.write).port
        with httpx.Client(timeout=SECONDS, base_url=stack.addresses.write, trust_env=False) as write:
            write.headers["Cookie"] = f"muster_docs_{port}={session}"
            yield {"read": read, "write": write}


def line_of(client, operation):
    page = client.get(f"/docs/{operation}", headers=AS_HTML)
    assert page.status_code == 200
    return html.unescape(re.search(r'<pre class="curl"[^>]*>(.*?)</pre>', page.text, re.DOTALL)[1])


def pasted(line, *, environ=None):
    """The answer that curl prints: its status, and all of it; a stream is left after a while."""
    line = f"curl --max-time 3 -s {line.removeprefix('curl ')}"
    ran = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=SECONDS, env=environ, check=False
    )
    found = re.match(r"HTTP/1.1 (\d+)", ran.stdout)
    assert found, (line, ran)
    return int(found[1]), ran.stdout


async def test_every_line_runs_as_pasted(stack, readers):
    """In an order in which each has something to do; about a person and a group of the reader's own."""
    named = [("write", name) for name in BEFORE]
    named += [(api, name) for api in ("write", "read") for name in OPERATIONS[api] if name not in {*BEFORE, *AFTER}]
    named += [("write", name) for name in AFTER]
    assert len(named) == sum(map(len, OPERATIONS.values()))

    refused, person = {}, None
    for api, name in named:
        line = line_of(readers[api], name)
        if name == "verify_email":
            line = line.replace("AQGZYVnDtwfmQ", await mailed_token(stack.home, person))
        assert EXAMPLE_ID not in line
        status, output = pasted(line)
        if name == "register_account":
            person = re.search(r"[\w-]+@example.org", line)[0]
        if not 200 <= status < 300 or '"status":4' in output:
            refused[name] = (line, output)

    assert refused == {}, "\n".join(map(str, refused.items()))


def test_without_a_session_a_line_takes_the_token_of_the_shell(stack):
    token = (stack.home / "token").read_text().strip()
    with httpx.Client(base_url=stack.addresses.read, trust_env=False) as client:
        line = line_of(client, "list_groups")

    assert pasted(line, environ={"MUSTER_TOKEN": token, "PATH": "/usr/bin:/bin"})[0] == 200
    assert pasted(line, environ={"PATH": "/usr/bin:/bin"})[0] == 401


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_read_is_tried_on_its_page(stack, browser, javascript):
    """As who is signed in; what is typed is text, and part of no other address."""
    options = {"scopes": (READ,), "script": javascript, "may_complain": ("404",)}
    async with visited(browser, stack.addresses.read, path="docs/get_profile_by_handle", **options) as page:
        await page.locator("#of-handle").fill('../stats"><script>alert(1)</script>')
        await page.get_by_role("button", name="Read").click()
        await expect(page.get_by_label("The answer")).to_contain_text("profile-not-found")
        await expect(page.locator("#of-handle")).to_have_value('../stats"><script>alert(1)</script>')

        await page.goto(f"{stack.addresses.read}/docs/list_groups")
        await page.locator("#of-limit").fill("1")
        await page.get_by_role("button", name="Read").click()
        await expect(page.get_by_label("The answer")).to_contain_text('"items"')


@pytest.mark.parametrize("api", OPERATIONS)
async def test_an_operation_is_under_two_screens_and_can_be_read(stack, browser, readers, api):
    """And nothing is wider than a phone; the longest pages are looked at beside those of the day, and all at night."""
    url, day = getattr(stack.addresses, api), datetime.now(UTC).toordinal()
    pages = {f"/docs/{name}": readers[api].get(f"/docs/{name}", headers=AS_HTML).text for name in OPERATIONS[api]}
    paths = sorted(pages, key=lambda path: len(pages[path]))
    async with visited(browser, url, scopes=SCOPES) as page:
        of_the_day = {paths[(3 * day + nth) % len(paths)] for nth in range(3)}
        for path in ("/docs", *sorted({*paths[-examples(3) :]} | of_the_day)):
            await page.set_viewport_size(TWO_SCREENS)
            await page.goto(f"{url}{path}")
            if path != "/docs":
                await expect(page.locator("body")).to_be_in_viewport(ratio=1)
            await page.set_viewport_size({"width": 375, "height": 740})
            await fits(page)
            if path in {"/docs", paths[-1]}:
                for scheme in ("light", "dark"):
                    await page.emulate_media(color_scheme=scheme)
                    await stands_out(page)


async def test_no_page_asks_elsewhere_or_runs_anything(stack):
    async with stack.client(stack.addresses.write) as client:
        for path in ("/docs", "/docs/register_account", "/problems", "/problems/email-taken"):
            page = await client.get(path)
            assert "script-src 'self'" in page.headers["Content-Security-Policy"]
            assert not re.search(r"<script|style=|<style|https?://[^&\s\"']*\.(js|css)", page.text)


async def test_a_session_is_nothing_to_the_write_api_but_in_a_line(stack, readers):
    """No command heeds a cookie, so no other page of this machine can have a browser send one."""
    answer = readers["write"].post("/commands/register-account", json={})

    assert answer.status_code == 401
    assert readers["write"].get("/docs", headers=bearing("x")).status_code == 200
