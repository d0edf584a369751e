"""The people page in a browser, on real processes: searched and walked through, by keyboard, on any screen."""

import re

import pytest
from playwright.async_api import expect

from shared.auth.principal import COMMANDS, EXPORT, PRIVATE, READ
from shared.text import composed
from tests.support.browser import SIZES, fits, held, is_at, stands_out, visited
from tests.support.issuer import Issuer
from tests.support.patience import not_behind, until
from tests.support.stack import service

ALL = (READ, PRIVATE, COMMANDS)
HOSTILE = '"><script>document.title="run"</script>'
ZOE_ASKED_FOR = re.compile(r"\?q=zoe")
NOTHING = re.compile(r"^\s*$")
OLDER = 'by => { Date.now = () => new Date(document.querySelector(".fresh time").dateTime).getTime() + by; }'
"""Sets the clock of a page, until it is left, so that all it shows is as old as that, however slow the machine is."""
TYPED_AT_ONCE = """(field, text) => {
  for (const letter of text) {
    field.value += letter;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""
PEOPLE = (
    ("zoe.page", "Zoë Lindqvist-Page", ["pagetest", "research"]),
    ("amelie.page", "Amélie Łukasz-Page", ["pagetest"]),
    ("markup.page", HOSTILE, ["pagetest"]),
    ("rtl.page", "\u202e\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", ["pagetest"]),
    ("pile.page", "Z" + "\u0301" * 60 + "algo", ["pagetest"]),
    ("long.page", "W" * 200, ["pagetest"]),
)


@pytest.fixture(scope="module")
async def read(stack):
    """The address of the read API, once people are there."""
    async with stack.client(stack.addresses.write) as write, stack.client(stack.addresses.read) as client:
        await done(write, "create-group", slug="page-group", name="Friends of the Page")
        for handle, name, tags in PEOPLE:
            fields = {"handle": handle, "email": f"{handle}@example.org", "display_name": name, "tags": tags}
            await done(write, "register-account", **fields)
            last = await done(write, "add-group-member", group="page-group", account=f"@{handle}", role="friend")
        headers = {"Muster-Min-Position": str(last["position"])}
        for path in ("/profiles/by-handle/zoe.page", "/groups/page-group"):
            answer = await not_behind(lambda path=path: client.get(path, headers=headers))
            assert answer.status_code == 200, answer.text
    return stack.addresses.read


async def done(write, command, **fields):
    answer = await write.post(f"/commands/{command}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def hit(page, handle):
    return page.locator(f'a.person[href$="people/{handle}"]')


async def test_people_are_found_as_one_types_and_opened_by_keyboard(read, browser):
    """With accents or without; the address follows, and finds the same again."""
    async with visited(browser, read, scopes=ALL) as page:
        await page.keyboard.press("/")
        await page.keyboard.type("zoe lind pag")
        await expect(page).to_have_url(f"{read}/?q=zoe+lind+pag")
        await expect(page.locator("#news")).to_have_text("1 person")
        await expect(page.locator(".hit")).to_have_count(1)

        await page.reload()
        await expect(hit(page, "zoe.page")).to_be_visible()

        await page.keyboard.press("/")
        await page.keyboard.press("ArrowDown")
        await expect(hit(page, "zoe.page")).to_be_focused()
        await page.keyboard.press("Enter")
        await is_at(page, "Zoë Lindqvist-Page")
        await expect(page).to_have_url(f"{read}/people/zoe.page")
        await expect(page.get_by_text("zoe.page@example.org")).to_be_visible()
        await page.get_by_role("link", name="Friends of the Page").first.click()
        await is_at(page, "Friends of the Page")


async def test_a_page_says_how_old_it_is(read, browser):
    """In words that a script finds; the time itself can be looked up."""
    async with visited(browser, read, scopes=(READ,)) as page:
        shown = page.locator(".fresh time")
        await expect(shown).to_have_attribute("title", re.compile("UTC$"))
        for letter, seconds, age in (("p", 59, "just now"), ("a", 60, "1 minute ago"), ("g", 7_200, "2 hours ago")):
            await page.evaluate(OLDER, seconds * 1_000)
            await page.locator("#q").fill(letter)
            await expect(page).to_have_url(f"{read}/?q={letter}")
            await expect(shown).to_have_text(age)


@pytest.mark.parametrize("javascript", [True, False])
async def test_names_are_text_and_nothing_runs(read, browser, javascript):
    """Each is whole, and none spills over what stands beside it."""
    async with visited(browser, read, path="?tag=pagetest", scopes=ALL, script=javascript) as page:
        for _, name, _ in PEOPLE:
            await expect(page.locator(".people .name").get_by_text(composed(name), exact=True)).to_be_visible()
        await expect(page).to_have_title("People")
        await hit(page, "markup.page").click()
        await is_at(page, HOSTILE)


async def test_without_a_script_everything_is_there(read, browser):
    """The search, by its button; paging and filters, as links; and how fresh it is."""
    async with visited(browser, read, path="?tag=pagetest&limit=2", scopes=(READ,), script=False) as page:
        await expect(page.locator(".people > li")).to_have_count(2)
        await page.get_by_role("link", name="Next page").click()
        await expect(page.locator(".people > li")).to_have_count(len(PEOPLE) - 2)
        await page.get_by_label("Search by name").fill("amel")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator(".people .handle")).to_have_text(["@amelie.page"])
        await expect(page.get_by_text("As of position")).to_be_visible()
        await hit(page, "amelie.page").click()
        await is_at(page, "Amélie Łukasz-Page")
        await expect(page.get_by_text("amelie.page@example.org")).to_have_count(0)


async def test_a_browser_signs_in_by_a_token_and_out_again(stack, read, browser):
    token = (stack.home / "token").read_text().strip()
    async with browser.lent() as page:
        answer = await page.goto(f"{read}/people/zoe.page")
        assert answer.status == 401

        await page.get_by_label("Or paste a token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await is_at(page, "Zoë Lindqvist-Page")
        cookies = await page.context.cookies()

        await page.get_by_role("button", name="Sign out").click()
        await is_at(page, "Sign in")
        await page.context.add_cookies(cookies)

        async def is_out():
            return (await page.goto(read)).status == 401

        await until(is_out)  # in the other worker within 5 s
        await is_at(page, "Sign in")


async def test_everything_can_be_read_on_any_screen(read, browser):
    """Nothing is wider than the screen, and every text stands out."""
    paths = ("/?tag=pagetest", "/people/zoe.page", "/people/long.page", "/people/groups/page-group", "/people/x")
    async with visited(browser, read, scopes=ALL, may_complain=("404",)) as page:
        for path in paths:
            await page.goto(f"{read}{path}")
            for size in ("desk", "phone"):
                await page.set_viewport_size(SIZES[size])
                await fits(page)
                for scheme in ("light", "dark"):
                    await page.emulate_media(color_scheme=scheme)
                    assert len(await stands_out(page)) > 5


async def test_who_does_not_see_it_finds_their_way(read, browser):
    """Landmarks, one first heading, a way past the beginning, a name for every field and link."""
    async with visited(browser, read, scopes=ALL) as page:
        for path in ("/", "/people/zoe.page", "/people/groups/page-group"):
            await page.goto(f"{read}{path}")
            for role in ("banner", "main", "contentinfo", "search"):
                await expect(page.get_by_role(role)).to_have_count(1)
            await expect(page.locator("h1")).to_have_count(1)
            await page.keyboard.press("Tab")
            await expect(page.get_by_text("Skip to the content")).to_be_focused()
            for role in ("link", "button", "textbox", "searchbox", "combobox"):
                await expect(page.get_by_role(role, name=NOTHING)).to_have_count(0)


async def test_many_letters_are_one_search(read, browser):
    """What is typed fast is asked for once it rests."""
    async with visited(browser, read, scopes=ALL) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        await page.locator("#q").evaluate(TYPED_AT_ONCE, "zoe.page")
        await expect(page).to_have_url(f"{read}/?q=zoe.page")
    assert [each for each in asked if "?q=" in each] == [f"{read}/?q=zoe.page"]


async def test_an_older_answer_never_replaces_a_later_one(read, browser):
    """It is given up once more is asked."""
    async with visited(browser, read, scopes=ALL) as page, held(page, ZOE_ASKED_FOR):
        async with page.expect_request(ZOE_ASKED_FOR):
            await page.locator("#q").fill("zoe.page")
        async with page.expect_event("requestfailed", lambda request: ZOE_ASKED_FOR.search(request.url)):
            await page.locator("#q").fill("amelie.page")
        await expect(page).to_have_url(f"{read}/?q=amelie.page")
        await expect(hit(page, "amelie.page")).to_be_visible()


async def test_what_is_typed_before_the_script_is_there_is_searched_for(read, browser):
    async with visited(browser, read, scopes=ALL) as page:
        async with held(page, "**/people.js"):
            await page.goto(f"{read}/?tag=pagetest", wait_until="commit")
            await page.locator("#q").fill("zoe")
        await expect(page.locator(".people .handle")).to_have_text(["@zoe.page"])


@pytest.mark.parametrize(("chosen", "kept"), [("zoe.page", ".hit"), ("amelie.page", "#q")])
async def test_the_keyboard_stays_in_what_was_found_or_goes_back_to_where_one_types(read, browser, chosen, kept):
    """The list may become another just when one has gone on to it."""
    async with visited(browser, read, path="?tag=pagetest", scopes=ALL) as page:
        async with held(page, ZOE_ASKED_FOR):
            async with page.expect_request(ZOE_ASKED_FOR):
                await page.locator("#q").fill("zoe")
            await hit(page, chosen).focus()
        await expect(page.locator(".people .handle")).to_have_text(["@zoe.page"])
        await expect(page.locator(kept)).to_be_focused()


async def test_an_answer_that_is_no_page_of_ours_changes_nothing_but_is_told(read, browser):
    """A proxy answers for an API that is away."""
    async with visited(browser, read, path="?tag=pagetest", scopes=ALL, may_complain=("502",)) as page:
        await page.route(ZOE_ASKED_FOR, lambda route: route.fulfill(status=502, body="Bad gateway"))
        await page.locator("#q").fill("zoe")
        await expect(page.locator("#news")).to_contain_text("does not answer")
        await expect(page.locator(".people > li")).to_have_count(len(PEOPLE))


async def test_a_person_is_registered_changed_and_suspended(read, browser):
    """Each time the record is shown as it is by then; the actor is who is signed in."""
    async with visited(browser, read, scopes=ALL, may_complain=("409",)) as page:
        await page.get_by_role("link", name="Register a person").click()
        await page.locator("#new-display_name").fill("Grace Hopper")
        await page.locator("#new-handle").fill("zoe.page")
        await page.locator("#new-email").fill("grace.page@example.org")
        await page.get_by_role("button", name="Register").click()
        await expect(page.locator("#new-handle-wrong")).to_be_visible()
        await expect(page.locator("#new-display_name")).to_have_value("Grace Hopper")

        await page.locator("#new-handle").fill("grace.page")
        await page.get_by_role("button", name="Register").click()
        await expect(page).to_have_url(re.compile(r"/people/grace\.page\?min_position="))
        await is_at(page, "Grace Hopper")
        await expect(page.get_by_text("by browser").first).to_be_visible()

        await page.get_by_role("link", name="Edit").click()
        await page.locator("#edit-title").fill("Rear Admiral")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Rear Admiral").first).to_be_visible()

        await page.get_by_role("link", name="Edit").click()
        await page.locator("#join-group").fill("page-group")
        await page.get_by_role("button", name="Join").click()
        await expect(page.get_by_role("link", name="Friends of the Page").first).to_be_visible()
        await page.get_by_role("link", name="Edit").click()
        await page.get_by_role("button", name="Leave Friends of the Page").click()
        await expect(page.get_by_text("In no group.")).to_be_visible()

        await page.get_by_role("link", name="Edit").click()
        await page.locator("#suspend-reason").fill("On leave")
        await page.get_by_role("button", name="Suspend").click()
        await expect(page.locator("h1 .suspended")).to_be_visible()
        await page.get_by_role("link", name="Edit").click()
        await page.get_by_role("button", name="Reactivate").click()
        await expect(page.locator(".activity").get_by_text("Reactivated")).to_be_visible()
        await expect(page.locator("h1 .suspended")).to_have_count(0)


async def test_of_two_who_edit_the_second_sees_what_the_first_has_saved(stack, read, browser):
    """And decides, without a script too."""
    options = {"scopes": ALL, "may_complain": ("412",), "script": False}
    async with visited(browser, read, path="people/amelie.page?edit=1", **options) as page:
        await page.locator("#edit-title").fill("Mine")
        async with stack.client(stack.addresses.write) as write, stack.client(read) as client:
            theirs = await done(write, "update-profile", account="@amelie.page", title="Theirs")
            await not_behind(lambda: client.get(f"/profiles/by-handle/amelie.page?min_position={theirs['position']}"))
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("There now: Theirs")).to_be_visible()
        await expect(page.locator("#edit-title")).to_have_value("Mine")

        await page.get_by_role("button", name="Save").click()
        await is_at(page, "Amélie Łukasz-Page")
        await expect(page.locator(".head .under")).to_contain_text("Mine")


async def test_who_may_only_read_is_offered_nothing_else(read, browser):
    async with visited(browser, read, scopes=(READ,), may_complain=("403",)) as page:
        await expect(page.get_by_text("who may see what is public.")).to_be_visible()
        await expect(page.get_by_role("link", name="Register a person")).to_have_count(0)
        await page.goto(f"{read}/people/zoe.page")
        await is_at(page, "Zoë Lindqvist-Page")
        await expect(page.get_by_role("link", name="Edit")).to_have_count(0)


async def test_a_group_is_created_renamed_and_deleted_and_everything_exported(read, browser):
    async with visited(browser, read, scopes=(*ALL, EXPORT)) as page:
        await page.get_by_role("link", name="Create a group").click()
        await page.locator("#new-name").fill("Friends of Groups")
        await page.locator("#new-slug").fill("page-friends")
        await page.get_by_role("button", name="Create").click()
        await is_at(page, "Friends of Groups")
        await page.get_by_role("link", name="Edit").click()
        await page.locator("#edit-name").fill("Friends of Friends")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("h1")).to_have_text("Friends of Friends")

        await page.get_by_role("link", name="Edit").click()
        await page.get_by_role("button", name="Delete the group").click()
        confirmed = page.get_by_label("Yes, delete Friends of Friends")
        await expect(confirmed).to_be_focused()  # it is wanted, and nothing was sent
        await confirmed.check()
        await page.get_by_role("button", name="Delete the group").click()
        await expect(page).to_have_url(re.compile(r"/\?min_position="))
        await is_at(page, "People")
        await expect(page.get_by_role("link", name="Friends of Friends")).to_have_count(0)
        async with page.expect_download() as begun:
            await page.get_by_role("link", name="people as CSV").click()
        table = await (await begun.value).path()
        assert "zoe.page@example.org" in table.read_text()


async def test_a_person_signs_in_at_the_issuer_which_is_another_site(stack, read, browser, tmp_path):
    """And out again, without a script: the cookie of a session comes along although another site has led here."""
    issuer = Issuer()
    issuer.add_key("ed", "EdDSA")
    settings = {"ISSUER": issuer.url, "OPENID_CLIENT": "muster-web", "REDIS_URL": stack.addresses.redis_url}
    variables = {f"MUSTER_{name}": value for name, value in settings.items()}
    with issuer.running():
        async with (
            service("read", tmp_path / "read.log", MUSTER_AUTH="on", **variables) as (url, _),
            browser.lent(script=False) as page,
        ):
            await page.goto(f"{url.replace('127.0.0.1', 'localhost')}/people/zoe.page")
            await page.get_by_role("link", name="Sign in with your organisation").click()
            await is_at(page, "Zoë Lindqvist-Page")
            await expect(page.get_by_text("Signed in as ada@issuer")).to_be_visible()
            await page.get_by_role("button", name="Sign out").click()
            await is_at(page, "Sign in")
    issuer.server_close()
