"""How a browser gets into the ops page: by a link that works once, into a session in a cookie."""

from http.cookies import SimpleCookie

import pytest

from shared.auth.principal import OPS, READ
from shared.auth.sessions import SESSION_SECONDS
from shared.auth.tokens import sign_in_audience, unverified
from tests.support.access import bearing
from tests.unit.authenticated_apps import AuthenticatedApps

HTML = {"Accept": "text/html,*/*"}


@pytest.fixture
async def client(authentication):
    async with AuthenticatedApps(authentication).client("ops") as client:
        yield client


def link(keys, **more):
    return f"/sign-in?token={keys.token(OPS, audience=sign_in_audience('muster'), **more)}"


async def signed_in(client, keys):
    """The cookie, as a browser would send it."""
    answer = await client.get(link(keys))
    cookie = answer.headers["Set-Cookie"]
    client.cookies.clear()  # httpx would send it by itself
    return {"Cookie": cookie.partition(";")[0]}


async def test_a_link_leads_to_the_page(client, keys):
    """The cookie is for this site alone, no script reads it, and it does not last for ever."""
    answer = await client.get(link(keys))

    [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (answer.status_code, answer.headers["Location"]) == (303, "./")
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["max-age"] == str(SESSION_SECONDS)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_a_session_may_do_what_an_operator_may(client, keys):
    """See the page and give orders, from this site."""
    cookie = await signed_in(client, keys)

    page, status = await client.get("/", headers=cookie), await client.get("/status", headers=cookie)
    order = await client.post("/projections/profiles/abort", json={}, headers=cookie)
    foreign = await client.post("/projections/profiles/abort", json={}, headers={**cookie, "Origin": "http://evil"})

    assert (page.status_code, status.status_code, order.status_code) == (200, 200, 409)
    assert (foreign.status_code, foreign.json()["type"]) == (403, "/problems/cross-site")


async def test_a_link_works_once(client, keys):
    used = link(keys)
    await client.get(used)
    client.cookies.clear()

    again = await client.get(used)

    assert again.status_code == 401
    assert "Set-Cookie" not in again.headers
    assert "it was used, or is too old" in again.text


async def test_what_looks_at_links_before_people_do_does_not_use_them_up(client, keys):
    fresh = link(keys)
    await client.head(fresh)

    assert (await client.get(fresh)).status_code == 303


@pytest.mark.parametrize(("token", "status"), [("", 200), ("?token=", 200), ("?token=x", 401), ("?token=a.b.c", 401)])
async def test_what_is_no_link_lets_nobody_in(client, token, status):
    """Without any token a person has come to sign in, and is told how."""
    answer = await client.get(f"/sign-in{token}")

    assert (answer.status_code, "Set-Cookie" in answer.headers) == (status, False)
    assert "muster token --link" in answer.text


async def test_neither_an_old_link_nor_a_token_signs_in(client, keys):
    old, token = link(keys, seconds=-1), f"/sign-in?token={keys.token(OPS)}"

    assert [(await client.get(each)).status_code for each in (old, token)] == [401, 401]


async def test_without_a_session_the_page_says_how_to_get_one(client):
    """In the look of the page, and without anything of it."""
    answer = await client.get("/", headers=HTML)

    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert "muster token --link" in answer.text
    assert "/ops/page.css" in answer.text
    assert "profiles" not in answer.text


async def test_without_a_session_the_log_is_shown_to_nobody(client):
    """A browser is told how to get one, a program by a problem."""
    page = await client.get("/events?type=x", headers={"Accept": "text/html,*/*;q=0.8"})
    problem = await client.get("/events/1")

    assert (page.status_code, page.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert 'value="events?type=x"' in page.text
    assert (problem.status_code, problem.json()["type"]) == (401, "/problems/unauthorized")


@pytest.mark.parametrize(
    "cookie", ["muster_session_80=x", "muster_session_80=", "=;", 'muster_session_80="', "x" * 5_000]
)
async def test_a_made_up_cookie_is_no_session(client, cookie):
    answer = await client.get("/status", headers={"Cookie": cookie})

    assert answer.status_code == 401


async def test_a_session_ends_with_the_link_that_began_it(client, keys, authentication):
    """By revoking the id of the link."""
    address = link(keys)
    answer = await client.get(address)
    cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    keys.directory.revoke(unverified(address.partition("=")[2]).token_id)
    authentication.refresh()
    client.cookies.clear()

    assert (await client.get("/status", headers=cookie)).status_code == 401


async def test_sessions_of_two_ports_do_not_meet(client, keys):
    """A browser sends the cookies of one port to the other as well."""
    first = await client.get(link(keys), headers={"Host": "localhost:8003"})
    second = await client.get(link(keys), headers={"Host": "localhost:9003"})

    names = [each.headers["Set-Cookie"].partition("=")[0] for each in (first, second)]
    assert names == ["muster_session_8003", "muster_session_9003"]


@pytest.mark.parametrize(
    ("url", "is_secure"), [("https://ops.example.org", True), ("http://127.0.0.1:8003", False), (None, False)]
)
async def test_a_page_that_is_found_by_https_has_its_cookie_sent_by_nothing_else(keys, authentication, url, is_secure):
    """Also where a proxy ends it and asks by http; no header is believed, since everybody could send it."""
    async with AuthenticatedApps(authentication, ops_url=url).client("ops") as client:
        answer = await client.get(link(keys), headers={"X-Forwarded-Proto": "https"})

    [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert bool(cookie["secure"]) == is_secure


async def test_a_token_is_good_under_any_name(client, keys):
    """Only a browser can be led astray by a name, and under a foreign one it has no session."""
    answer = await client.get("/status", headers={**bearing(keys.token(OPS)), "Host": "projector:8003"})
    page = await client.get("/", headers={**bearing(keys.token(OPS)), "Host": "projector:8003"})

    assert (answer.status_code, page.status_code) == (200, 200)


async def test_a_token_counts_before_a_session(client, keys):
    """A request with one is judged by it."""
    cookie = await signed_in(client, keys)

    answer = await client.get("/status", headers={**cookie, **bearing(keys.token(READ))})

    assert answer.status_code == 403
