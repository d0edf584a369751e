"""How an OpenID issuer signs a browser in at a page: an answer that is not to this attempt lets nobody in."""

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from shared.auth.adapters.memory.sessions import MemorySessions
from shared.auth.authentication import TokenAuthentication
from shared.auth.code_flow import CodeFlow, OpenIdClient
from shared.auth.openid import OpenIdIssuer
from shared.auth.principal import READ
from shared.auth.sessions import Sessions
from tests.support.access import Keys
from tests.support.authenticated_apps import AuthenticatedApps
from tests.support.issuer import Issuer

HTML = {"Accept": "text/html"}
KEPT = "muster_people_openid_80"
"""The cookie of a browser that is at the issuer."""


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer()
    issuer.add_key("ed", "EdDSA")
    with issuer.running():
        yield issuer
    issuer.close()


@pytest.fixture
def claims(issuer):
    yield issuer
    issuer.claims, issuer.id_claims = {}, {}


@pytest.fixture
async def client(issuer, tmp_path):
    """Of the read API; it keeps cookies as a browser does."""
    async with httpx.AsyncClient(trust_env=False) as http:
        known, us = OpenIdIssuer(issuer.url, client=http), OpenIdClient("muster-web", None, f"openid {READ}")

        def register(registry):
            registry.register_value(Sessions, MemorySessions())
            registry.register_value(CodeFlow, CodeFlow(known, us, http=http))

        authentication = TokenAuthentication(Keys(tmp_path / "keys").directory, audience="muster", issuer=known)
        async with AuthenticatedApps(authentication, register=register).client("read") as client:
            client.headers.update(HTML)
            yield client


async def led_back(client, **differently):
    """Go to the issuer and back; return the answer to what it answers, if that says something else."""
    begun = await client.get("/sign-in/openid?next=people/ada")
    async with httpx.AsyncClient(trust_env=False) as browser:
        back = (await browser.get(begun.headers["Location"])).headers["Location"]
    query = {**dict(parse_qsl(urlsplit(back).query)), **differently}
    return await client.get("/sign-in/openid/done", params=query)


async def test_who_signs_in_at_the_issuer_is_in_and_out_again(client):
    """They are led on by a page of ours: a browser sends the cookie of a session only from there."""
    assert "sign-in/openid?next=people/ada" in (await client.get("/people/ada")).text

    done = await led_back(client)
    page = await client.get("/people/ada")
    out = await client.post("/sign-out", headers={"Origin": "http://localhost"})
    after = await client.get("/people/ada")

    assert done.status_code == 200
    assert 'http-equiv="refresh" content="0; url=../../people/ada"' in done.text
    spent, session = sorted(done.headers.get_list("Set-Cookie"), key=lambda each: "HttpOnly" in each)
    assert "HttpOnly; SameSite=Strict" in session
    assert spent.startswith(f"{KEPT}=")
    assert "Max-Age=0" in spent
    assert "Signed in as <bdi>ada@issuer</bdi>" in page.text
    assert (out.status_code, after.status_code) == (303, 401)


async def test_what_a_browser_is_sent_away_with_is_kept_from_scripts_and_the_issuer(client):
    begun = await client.get("/sign-in/openid?next=//evil.example")
    asked = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))
    state, nonce, verifier, where = begun.cookies[KEPT].split(".")

    assert (asked["state"], asked["nonce"], where) == (state, nonce, "")
    assert asked["redirect_uri"] == "http://localhost/sign-in/openid/done"
    assert verifier not in begun.headers["Location"]
    assert "HttpOnly; SameSite=Lax" in begun.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("differently", "said"),
    [
        ({"state": "x"}, "It was begun in another browser"),
        ({"code": "x"}, "The issuer does not take the code"),
        ({"iss": "https://evil.example"}, "It is the answer of another issuer"),
        ({"error": "access_denied"}, "The issuer has not signed you in (access_denied)"),
    ],
)
async def test_an_answer_that_is_not_to_this_attempt_lets_nobody_in(client, differently, said):
    answer = await led_back(client, **differently)

    assert answer.status_code == 401
    assert said in answer.text
    assert (await client.get("/people/ada")).status_code == 401


@pytest.mark.parametrize(
    ("id_claims", "access_claims", "said"),
    [
        ({"nonce": "x"}, {}, "The answer was made for another sign-in"),
        ({"aud": "another"}, {}, "It is for another audience"),
        ({"azp": "another"}, {}, "It is for another client"),
        ({"exp": 1}, {}, "It has expired"),
        ({}, {"sub": "bob@issuer"}, "Its tokens are of two people"),
        ({}, {"aud": "another"}, "It is for another audience"),
    ],
)
async def test_tokens_that_are_not_for_us_let_nobody_in(client, claims, id_claims, access_claims, said):
    claims.id_claims, claims.claims = id_claims, access_claims

    answer = await led_back(client)

    assert answer.status_code == 401
    assert said in answer.text


async def test_an_attempt_is_good_once_and_for_the_browser_that_began_it(client):
    """A code alone is worth nothing: the issuer wants what only that browser has kept (PKCE)."""
    await led_back(client)
    again = await client.get("/sign-in/openid/done?code=x&state=y")
    begun = await client.get("/sign-in/openid")
    async with httpx.AsyncClient(trust_env=False) as browser:
        back = (await browser.get(begun.headers["Location"])).headers["Location"]
    state, nonce, _, where = begun.cookies[KEPT].split(".")
    stolen = await client.get(
        f"/sign-in/openid/done?{urlsplit(back).query}", headers={"Cookie": f"{KEPT}={state}.{nonce}.{'x' * 64}.{where}"}
    )

    assert (again.status_code, stolen.status_code) == (401, 401)
    assert "begun in another browser" in again.text
    assert "The issuer does not take the code" in stolen.text


async def test_without_an_issuer_there_is_no_such_address(tmp_path):
    authentication = TokenAuthentication(Keys(tmp_path / "keys").directory, audience="muster")
    async with AuthenticatedApps(authentication).client("read") as client:
        answer = await client.get("/sign-in/openid")
        page = await client.get("/people/ada", headers=HTML)

    assert answer.status_code == 404
    assert "sign-in/openid" not in page.text


async def test_where_no_sessions_are_kept_nobody_is_offered_one(tmp_path):
    """As at a write API without Redis: its documentation takes the token of the shell."""
    keys = Keys(tmp_path / "keys")
    async with AuthenticatedApps(TokenAuthentication(keys.directory, audience="muster")).client("write") as client:
        page = await client.get("/docs/register_account", headers=HTML)
        answer = await client.post("/sign-in", data={"token": keys.token(READ)}, headers={"Origin": "http://localhost"})

    assert "Bearer $MUSTER_TOKEN" in page.text
    assert "sign-in" not in page.text
    assert answer.status_code == 404
