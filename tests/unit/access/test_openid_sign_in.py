"""How an OpenID issuer signs a browser in at a page: an answer that is not to this attempt lets nobody in."""

from base64 import b64decode
from math import inf
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from svcs import Container, Registry

import projector.services
import read_side.services
import write_side.services
from shared.auth.adapters.memory.sessions import MemorySessions
from shared.auth.authentication import TokenAuthentication
from shared.auth.code_flow import CodeFlow, OpenIdClient, SignInAttempt
from shared.auth.openid import OpenIdIssuer
from shared.auth.principal import READ
from shared.auth.sessions import Sessions
from shared.auth.setup import require_access
from shared.auth.tokens import InvalidToken
from shared.errors import SettingsError
from shared.http.pages.sign_in_answers import own_address
from shared.settings import Secret, Settings
from tests.support.access import Keys
from tests.support.issuer import Issuer
from tests.unit.authenticated_apps import AuthenticatedApps

HTML = {"Accept": "text/html"}
KEPT = "muster_people_openid_80"
"""The cookie of a browser that is at the issuer."""


@pytest.fixture(scope="module")
def issuer():
    with Issuer() as issuer, issuer.running():
        issuer.add_key("ed", "EdDSA")
        yield issuer


@pytest.fixture
def claims(issuer):
    yield issuer
    issuer.claims, issuer.id_claims = {}, {}


@pytest.fixture
async def client(issuer, tmp_path):
    """Of the read API; it keeps cookies as a browser does."""
    async with httpx.AsyncClient(trust_env=False) as http:
        known, us = OpenIdIssuer(issuer.url, client=http), OpenIdClient("muster-web", None, f"openid {READ}")
        flow = CodeFlow(known, us, http=http)

        def register(registry):
            registry.register_value(Sessions, MemorySessions())
            registry.register_value(CodeFlow, flow)

        authentication = TokenAuthentication(Keys(tmp_path / "keys").directory, audience="muster", issuer=known)
        async with AuthenticatedApps(authentication, register=register).client("read") as client:
            client.headers.update(HTML)
            client.flow = flow
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


async def test_a_session_begun_by_a_key_that_is_new_here_is_good(client):
    """As where another process has signed the browser in, or this one was started since."""
    done = await led_back(client)
    session = done.cookies["muster_people_80"]
    issuer = client.flow._issuer

    for path, shown in (("/people/ada", "Signed in as"), ("/docs/get_profile", f"Bearer {session}")):
        issuer.keys, issuer._asked_at = {}, -inf
        page = await client.get(path)
        assert shown in page.text


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
    assert KEPT not in client.cookies
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


async def test_an_attempt_is_kept_while_too_many_sign_in(client, monkeypatch):
    """It is not over: the browser may come again."""
    monkeypatch.setattr(client.flow, "_in_flight", SimpleNamespace(locked=lambda: True))

    answer = await led_back(client)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert 'name="next" value="people/ada"' in answer.text
    assert KEPT in client.cookies


async def test_a_long_way_back_is_left_out(client):
    """A browser drops a cookie of more than 4 kB, and the sign-in with it."""
    begun = [await client.get("/sign-in/openid", params={"next": f"?q={'/' * n}"}) for n in (997, 5_000)]

    assert [len(each.headers["Set-Cookie"]) > 3_000 for each in begun] == [True, False]
    assert all(len(each.headers["Set-Cookie"]) < 4_096 for each in begun)
    assert begun[1].cookies[KEPT].endswith(".")


@pytest.mark.parametrize(
    ("text", "is_own"),
    [
        ("", True),
        ("people/ada?q=a.b%2E&tag=%2e", True),
        ("people/groups/%C3%BC-x", True),
        ("//evil.example", False),
        ("../x", False),
        ("%2e%2e/x", False),
        ("a/.%2E/x", False),
        ("a/%2E%2e", False),
        ("__root__/", False),
        ("a/__root__//evil.example", False),
        ("?q=__root__/", False),
        ("https://evil.example", False),
        ("a" * 1_001, False),
    ],
)
def test_a_way_back_does_not_lead_out_of_the_service(text, is_own):
    assert own_address(text) == (text if is_own else "")


def test_the_secret_of_the_client_is_shown_by_nothing():
    assert "hush" not in repr(OpenIdClient("muster-web", Secret("hush"), "openid"))


async def test_the_issuer_is_told_the_secret(issuer):
    """RFC 6749, section 2.3.1: the id and the secret are encoded before they are put together."""
    told = []

    def answer(request):
        told.append(request.headers.get("Authorization"))
        return issuer.answer(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        us = OpenIdClient("muster web", Secret("hu:sh"), "openid")
        flow, attempt = CodeFlow(OpenIdIssuer(issuer.url, client=http), us, http=http), SignInAttempt.new("")
        with pytest.raises(InvalidToken):
            await flow.finish(attempt, {"state": attempt.state, "code": "x"}, redirect_uri="")

    assert b64decode(told[-1].removeprefix("Basic ")) == b"muster%20web:hu%3Ash"


@pytest.fixture
def served(monkeypatch, tmp_path, issuer):
    """The environment of a service whose issuer signs browsers in; nothing of it is connected to."""
    servers = {"DATABASE_URL": "postgresql://127.0.0.1/x", "REDIS_URL": "redis://127.0.0.1", "HOME": str(tmp_path)}
    access = {"AUTH": "on", "KEYS": str(Keys(tmp_path / "keys").directory.path), "ISSUER": issuer.url}
    for name, value in {**servers, **access, "OPENID_CLIENT": "us"}.items():
        monkeypatch.setenv(f"MUSTER_{name}", value)


@pytest.mark.parametrize(
    ("register_services", "set_", "scope"),
    [
        (projector.services.register_services, {}, "openid ops"),
        (read_side.services.register_services, {}, "openid profiles:read profiles:read.private commands export"),
        (write_side.services.register_services, {}, "openid commands"),
        (write_side.services.register_services, {"MUSTER_OPENID_SCOPE": "openid profile"}, "openid profile"),
    ],
)
@pytest.mark.usefixtures("served")
async def test_a_browser_asks_for_what_its_page_needs(monkeypatch, register_services, set_, scope):
    for name, value in set_.items():
        monkeypatch.setenv(name, value)

    async with Registry() as registry:
        register_services(registry)
        async with Container(registry) as container:
            address = await container.get(CodeFlow).address(SignInAttempt.new(""), redirect_uri="")

    assert dict(parse_qsl(urlsplit(address).query))["scope"] == scope


@pytest.mark.parametrize(
    ("set_", "said"),
    [
        ({"MUSTER_OPENID_CLIENT": "us"}, "MUSTER_OPENID_CLIENT is set without MUSTER_ISSUER"),
        (
            {"MUSTER_OPENID_SECRET": "s", "MUSTER_ISSUER": "https://issuer.example"},
            "MUSTER_OPENID_SECRET is set without MUSTER_OPENID_CLIENT",
        ),
    ],
)
def test_a_part_of_the_sign_in_alone_stops_the_start(tmp_path, set_, said):
    settings = Settings.load({**Keys(tmp_path / "keys").settings, **set_})

    with pytest.raises(SettingsError, match=said):
        require_access(settings, host="127.0.0.1")


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
        begun = await client.get("/sign-in/openid")

    assert "Bearer $MUSTER_TOKEN" in page.text
    assert "sign-in" not in page.text
    assert (answer.status_code, begun.status_code) == (404, 404)
    assert "MUSTER_REDIS_URL" in begun.text
