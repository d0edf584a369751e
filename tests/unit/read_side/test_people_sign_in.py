"""How a browser comes into the people page, and what it may see there."""

import pytest

from read_side.adapters.memory.commands import MemoryCommandSender
from read_side.commands import CommandSender, Done
from shared.auth.adapters.memory.sessions import MemorySessions
from shared.auth.principal import COMMANDS, OPS, PRIVATE, READ
from shared.auth.sessions import Sessions
from shared.auth.tokens import sign_in_audience, unverified
from shared.errors import Unavailable
from tests.support.access import Keys, bearing
from tests.support.read_side import ADA
from tests.unit.authenticated_apps import AuthenticatedApps

HTML = {"Accept": "text/html"}
OURS = {"Origin": "http://localhost", **HTML}
FORMS = ("/?new=person", "/people/ada?edit=1", "/people/groups/ssju?edit=1")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("people") / "keys")


@pytest.fixture
def sessions():
    return MemorySessions()


@pytest.fixture
def apps(authentication, sessions):
    return AuthenticatedApps(authentication, register=lambda registry: registry.register_value(Sessions, sessions))


@pytest.fixture
async def client(apps):
    async with apps.client("read") as client:
        yield client


async def signed_in(client, token, *, next=""):
    answer = await client.post("/sign-in", data={"token": token, "next": next}, headers=OURS)
    client.cookies.clear()  # httpx would send it by itself
    return answer, {"Cookie": answer.headers.get("Set-Cookie", "").partition(";")[0], **HTML}


@pytest.mark.parametrize("path", ["/", "/people/ada", "/people/groups/ssju", "/people/nobody"])
async def test_a_browser_that_has_not_signed_in_is_told_how(client, path):
    """And sees nothing; a program is told what it is always told."""
    page, problem = await client.get(path, headers=HTML), await client.get(path)

    assert (page.status_code, page.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert page.headers["WWW-Authenticate"] == "Bearer"
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert "muster token --link" in page.text
    assert "Lovelace" not in page.text
    if path != "/":
        assert (problem.status_code, problem.json()["type"]) == (401, "/problems/unauthorized")


async def test_a_link_leads_to_the_page_once(client, keys):
    address = f"/sign-in?token={keys.token(READ, audience=sign_in_audience('muster'))}"

    answer = await client.get(address)
    page = await client.get("/", headers=HTML)
    again = await client.get(address)

    assert (answer.status_code, answer.headers["Location"]) == (303, "./")
    assert answer.headers["Set-Cookie"].startswith("muster_people_80=")
    assert page.status_code == 200
    assert again.status_code == 401


async def test_a_token_that_is_pasted_signs_in_and_leads_where_one_wanted_to_go(client, keys):
    wanted = await client.get("/people/ada?cursor=x", headers=HTML)
    assert 'name="next" value="people/ada?cursor=x"' in wanted.text

    answer, cookie = await signed_in(client, f" {keys.token(READ)}\n", next="people/ada")
    page = await client.get("/people/ada", headers=cookie)

    assert (answer.status_code, answer.headers["Location"]) == (303, "./people/ada")
    assert "HttpOnly; SameSite=Strict" in answer.headers["Set-Cookie"]
    assert page.status_code == 200


@pytest.mark.parametrize(
    "next", ["//evil.example", "https://evil.example", "\\evil", "/etc", "../up", "people/../..", "x\r\nSet-Cookie: a"]
)
async def test_signing_in_leads_nowhere_else(client, keys, next):
    answer, _ = await signed_in(client, keys.token(READ), next=next)

    assert answer.headers["Location"] == "./"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 10_000])
async def test_what_is_no_token_lets_nobody_in(client, token):
    answer, _ = await signed_in(client, token)

    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert "The token cannot be used" in answer.text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_no_other_site_signs_a_browser_in_or_out(client, keys, path, headers):
    answer = await client.post(path, data={"token": keys.token(READ)}, headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-site")
    assert "Set-Cookie" not in answer.headers


async def test_a_page_shows_what_the_token_allows(client, keys):
    """Private fields to whom they may be shown; it says as much."""
    _, plain = await signed_in(client, keys.token(READ))
    _, private = await signed_in(client, keys.token(READ, PRIVATE))

    shown = {
        name: (await client.get("/people/ada", headers=each)).text for name, each in (("a", plain), ("b", private))
    }

    assert "Ada@Example.org" not in shown["a"]
    assert "engine" not in shown["a"]
    assert "Ada@Example.org" in shown["b"]
    assert "engine" in shown["b"]
    assert "see what is public" in shown["a"]


async def test_a_token_without_the_scope_is_told_so_and_can_sign_out(client, keys):
    _, cookie = await signed_in(client, keys.token(OPS))

    answer = await client.get("/", headers=cookie)

    assert answer.status_code == 403
    assert "profiles:read" in answer.text


async def test_who_signs_out_is_out(client, keys):
    """The cookie goes, and the session too: a copy of it is worth nothing."""
    _, cookie = await signed_in(client, keys.token(READ))

    answer = await client.post("/sign-out", headers={**cookie, **OURS})

    assert answer.status_code == 303
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert (await client.get("/", headers=cookie)).status_code == 401


async def test_a_session_ends_with_its_token(client, keys, authentication):
    token = keys.token(READ)
    _, cookie = await signed_in(client, token)
    keys.directory.revoke(unverified(token).token_id)
    authentication.refresh()

    assert (await client.get("/", headers=cookie)).status_code == 401


async def test_the_write_api_knows_a_session_by_its_name_and_heeds_no_cookie(apps, client, keys):
    """So a page can send a command as who is signed in, and no other site can have a browser do it."""
    answer, cookie = await signed_in(client, keys.token(READ, COMMANDS, subject="ada"))
    name = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    register = {"email": "a@example.org", "handle": "a", "display_name": "A"}
    async with apps.client("write") as write:
        done = await write.post("/commands/register-account", json=register, headers=bearing(name))
        by_cookie = await write.post("/commands/register-account", json=register, headers=cookie)
        made_up = await write.post("/commands/register-account", json=register, headers=bearing("x" * 43))

    assert (done.status_code, by_cookie.status_code, made_up.status_code) == (200, 401, 401)


async def test_a_form_is_sent_on_as_who_is_signed_in(authentication, sessions, keys):
    """By the name of their session, or by the token that came with it; without the scope there is not even a form."""
    sender = MemoryCommandSender(lambda _: Done(2, 7))

    def register(registry):
        registry.register_value(Sessions, sessions)
        registry.register_value(CommandSender, sender)

    token, form = keys.token(READ, COMMANDS), {"action": "suspend", "account": str(ADA.account_id), "key": "k"}
    async with AuthenticatedApps(authentication, register=register).client("read") as client:
        _, cookie = await signed_in(client, token)
        by_session = await client.post("/people/ada", data=form, headers={**OURS, **cookie})
        by_token = await client.post("/people/ada", data=form, headers={**OURS, **bearing(token)})
        _, cannot = await signed_in(client, keys.token(READ))
        refused = [await client.get(each, headers={**OURS, **cannot}) for each in FORMS]
        refused.append(await client.post("/people/ada", data=form, headers={**OURS, **cannot}))

    assert (by_session.status_code, by_token.status_code) == (303, 303)
    assert {each.status_code for each in refused} == {403}
    assert [credential for _, credential in sender.sent] == [cookie["Cookie"].partition("=")[2], token]


class AwaySessions:
    """Nowhere to be found."""

    async def find(self, _):
        raise Unavailable("Redis, which keeps the sessions of browsers, does not answer")

    begin = begin_by_token = end = find


async def test_while_sessions_are_away_a_browser_is_told_so_at_the_page(authentication, keys):
    """In a sentence, beside the form; a program has its problem."""
    apps = AuthenticatedApps(
        authentication, register=lambda registry: registry.register_value(Sessions, AwaySessions())
    )
    link = f"/sign-in?token={keys.token(READ, audience=sign_in_audience('muster'))}&next=people/ada"
    async with apps.client("read") as client:
        by_link = await client.get(link, headers=HTML)
        by_token, _ = await signed_in(client, keys.token(READ), next="people/ada")
        program = await client.get(link)

    for page in (by_link, by_token):
        assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
        assert "does not answer." in page.text
        assert 'name="token"' in page.text
        assert 'name="next" value="people/ada"' in page.text
    assert program.json()["type"] == "/problems/unverifiable"


async def test_a_page_that_holds_a_session_is_not_compressed(client, keys):
    """How small it becomes would tell those who can have an address in it, and count bytes (BREACH)."""
    _, cookie = await signed_in(client, keys.token(READ))
    session = cookie["Cookie"].partition("=")[2]

    pages = [
        await client.get(path, headers={**cookie, "Accept-Encoding": "gzip"}) for path in ("/", "/docs/get_profile")
    ]

    assert [session in each.text for each in pages] == [False, True]
    assert [each.headers.get("Content-Encoding") for each in pages] == ["gzip", None]
    assert pages[1].headers["Cache-Control"] == "no-store, no-transform"
