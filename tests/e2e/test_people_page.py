"""The people page in a browser, on real processes: searched and walked through, by keyboard, on any screen."""

import pytest

from shared.auth.principal import COMMANDS, EXPORT, PRIVATE, READ
from shared.text import composed
from tests.support.browser import SIZES, contrasts, visited
from tests.support.issuer import Issuer
from tests.support.patience import not_behind, until
from tests.support.stack import service

ALL = (READ, PRIVATE, COMMANDS)
ENOUGH = 4.5
"""Of contrast, for text (WCAG 2.2, 1.4.3)."""
HOSTILE = '"><script>document.title="run"</script>'
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
        await hit(page, "zoe.page").wait_for()
        await page.wait_for_url("**/?q=zoe+lind+pag")
        await hit(page, "amelie.page").wait_for(state="detached")
        assert await page.locator("#news").inner_text() == "1 person"

        await page.reload()
        assert await hit(page, "zoe.page").is_visible()

        await page.keyboard.press("/")
        for _ in range(1 + await page.locator(".groups .hit").count()):
            await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Zoë Lindqvist-Page").wait_for()
        assert page.url.endswith("/people/zoe.page")
        assert await page.get_by_text("zoe.page@example.org").is_visible()
        await page.get_by_role("link", name="Friends of the Page").first.click()
        await page.get_by_role("heading", name="Friends of the Page").wait_for()
        await page.get_by_text("just now").wait_for()


@pytest.mark.parametrize("javascript", [True, False])
async def test_names_are_text_and_nothing_runs(read, browser, javascript):
    """Each is whole, and none spills over what stands beside it."""
    async with visited(browser, f"{read}", scopes=ALL, script=javascript) as page:
        await page.goto(f"{read}/?tag=pagetest")
        names = await page.locator(".people .name").all_inner_texts()
        assert {composed(name) for _, name, _ in PEOPLE} <= set(names)
        assert await page.title() == "People"
        await hit(page, "markup.page").click()
        await page.get_by_role("heading", name=HOSTILE).wait_for()


async def test_without_a_script_everything_is_there(read, browser):
    """The search, by its button; paging and filters, as links; and how fresh it is."""
    async with visited(browser, read, scopes=(READ,), script=False) as page:
        await page.goto(f"{read}/?tag=pagetest&limit=2")
        assert await page.locator(".people > li").count() == 2
        await page.get_by_role("link", name="Next page").click()
        assert await page.locator(".people > li").count() >= 3
        await page.get_by_label("Search by name").fill("amel")
        await page.get_by_role("button", name="Search").click()
        assert await page.locator(".people .handle").all_inner_texts() == ["@amelie.page"]
        assert await page.get_by_text("As of position").is_visible()
        await hit(page, "amelie.page").click()
        assert await page.get_by_text("amelie.page@example.org").count() == 0


async def test_a_browser_signs_in_by_a_token_and_out_again(stack, read, browser):
    token = (stack.home / "token").read_text().strip()
    async with browser.lent() as page:
        answer = await page.goto(f"{read}/people/zoe.page")
        assert answer.status == 401

        await page.get_by_label("Or paste a token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="Zoë Lindqvist-Page").wait_for()
        cookies = await page.context.cookies()

        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Sign in").wait_for()
        await page.context.add_cookies(cookies)

        async def is_out():
            return (await page.goto(read)).status == 401

        await until(is_out)  # in the other worker within 5 s
        assert await page.get_by_role("heading", name="Sign in").is_visible()


async def test_everything_can_be_read_on_any_screen(read, browser):
    """Nothing is wider than the screen, and every text stands out."""
    paths = ("/?tag=pagetest", "/people/zoe.page", "/people/long.page", "/people/groups/page-group", "/people/x")
    async with visited(browser, read, scopes=ALL, may_complain=("404",)) as page:
        for path in paths:
            await page.goto(f"{read}{path}")
            for size in ("desk", "phone"):
                await page.set_viewport_size(SIZES[size])
                wide, shown = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                assert wide <= shown
                for scheme in ("light", "dark"):
                    await page.emulate_media(color_scheme=scheme)
                    texts = await contrasts(page)
                    assert len(texts) > 5
                    assert [each for each in texts if each["ratio"] < ENOUGH] == []


async def test_who_does_not_see_it_finds_their_way(read, browser):
    """Landmarks, one first heading, a way past the beginning, a name for every field and link."""
    async with visited(browser, read, scopes=ALL) as page:
        for path in ("/", "/people/zoe.page", "/people/groups/page-group"):
            await page.goto(f"{read}{path}")
            for role in ("banner", "main", "contentinfo", "search"):
                assert await page.get_by_role(role).count() == 1, role
            assert await page.locator("h1").count() == 1
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
            unnamed = await page.evaluate(
                """[...document.querySelectorAll("a, button, input:not([type=hidden])")].filter(each =>
                    !each.textContent.trim() && !each.labels?.length && !each.ariaLabel).length"""
            )
            assert unnamed == 0


async def test_many_letters_are_one_search(read, browser):
    """What is typed fast is asked for once it rests, and an older answer never replaces a later one."""
    async with visited(browser, read, scopes=ALL) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        await page.keyboard.press("/")
        await page.keyboard.type("zoe.page", delay=1)
        await hit(page, "zoe.page").wait_for()
        await page.wait_for_url("**/?q=zoe.page")
    assert len([each for each in asked if "?q=" in each]) <= 3


async def test_a_person_is_registered_changed_and_suspended(read, browser):
    """Each time the record is shown as it is by then; the actor is who is signed in."""
    async with visited(browser, read, scopes=ALL, may_complain=("409",)) as page:
        await page.get_by_role("link", name="Register a person").click()
        await page.locator("#new-display_name").fill("Grace Hopper")
        await page.locator("#new-handle").fill("zoe.page")
        await page.locator("#new-email").fill("grace.page@example.org")
        await page.get_by_role("button", name="Register").click()
        await page.locator("#new-handle-wrong").wait_for()
        assert await page.locator("#new-display_name").input_value() == "Grace Hopper"

        await page.locator("#new-handle").fill("grace.page")
        await page.get_by_role("button", name="Register").click()
        await page.get_by_role("heading", name="Grace Hopper").wait_for()
        assert "/people/grace.page?min_position=" in page.url
        assert await page.get_by_text("by browser").first.is_visible()

        await page.get_by_role("link", name="Edit").click()
        await page.locator("#edit-title").fill("Rear Admiral")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_text("Rear Admiral").first.wait_for()

        await page.get_by_role("link", name="Edit").click()
        await page.locator("#join-group").fill("page-group")
        await page.get_by_role("button", name="Join").click()
        await page.get_by_role("link", name="Friends of the Page").first.wait_for()
        await page.get_by_role("link", name="Edit").click()
        await page.get_by_role("button", name="Leave Friends of the Page").click()
        await page.get_by_text("In no group.").wait_for()

        await page.get_by_role("link", name="Edit").click()
        await page.locator("#suspend-reason").fill("On leave")
        await page.get_by_role("button", name="Suspend").click()
        await page.locator("h1 .suspended").wait_for()
        await page.get_by_role("link", name="Edit").click()
        await page.get_by_role("button", name="Reactivate").click()
        await page.locator("h1 .suspended").wait_for(state="detached")


async def test_of_two_who_edit_the_second_sees_what_the_first_has_saved(stack, read, browser):
    """And decides, without a script too."""
    async with visited(browser, read, scopes=ALL, may_complain=("412",), script=False) as page:
        await page.goto(f"{read}/people/amelie.page?edit=1")
        await page.locator("#edit-title").fill("Mine")
        async with stack.client(stack.addresses.write) as write, stack.client(read) as client:
            theirs = await done(write, "update-profile", account="@amelie.page", title="Theirs")
            await not_behind(lambda: client.get(f"/profiles/by-handle/amelie.page?min_position={theirs['position']}"))
        await page.get_by_role("button", name="Save").click()
        assert await page.get_by_text("There now: Theirs").is_visible()
        assert await page.locator("#edit-title").input_value() == "Mine"

        await page.get_by_role("button", name="Save").click()
        await page.get_by_text("Mine").first.wait_for()


async def test_who_may_only_read_is_offered_nothing_else(read, browser):
    async with visited(browser, read, scopes=(READ,), may_complain=("403",)) as page:
        assert await page.get_by_role("link", name="Register a person").count() == 0
        await page.goto(f"{read}/people/zoe.page")
        assert await page.get_by_role("link", name="Edit").count() == 0


async def test_a_group_is_created_renamed_and_deleted_and_everything_exported(read, browser):
    async with visited(browser, read, scopes=(*ALL, EXPORT)) as page:
        await page.get_by_role("link", name="Create a group").click()
        await page.locator("#new-name").fill("Friends of Groups")
        await page.locator("#new-slug").fill("page-friends")
        await page.get_by_role("button", name="Create").click()
        await page.get_by_role("heading", name="Friends of Groups").wait_for()
        await page.get_by_role("link", name="Edit").click()
        await page.locator("#edit-name").fill("Friends of Friends")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_role("heading", name="Friends of Friends").wait_for()

        await page.get_by_role("link", name="Edit").click()
        await page.get_by_role("button", name="Delete the group").click()
        assert "edit=1" in page.url  # it was not confirmed
        await page.get_by_label("Yes, delete Friends of Friends").check()
        await page.get_by_role("button", name="Delete the group").click()
        await page.wait_for_url("**/?min_position=*")
        assert await page.get_by_role("link", name="Friends of Friends").count() == 0
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
            await page.get_by_role("heading", name="Zoë Lindqvist-Page").wait_for()
            assert await page.get_by_text("Signed in as ada@issuer").is_visible()
            await page.get_by_role("button", name="Sign out").click()
            await page.get_by_role("heading", name="Sign in").wait_for()
    issuer.server_close()
