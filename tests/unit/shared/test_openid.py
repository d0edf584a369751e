"""Tokens of an OpenID issuer, which is asked for its keys over HTTP, and seldom."""

import asyncio
from contextlib import ExitStack
from math import inf

import httpx
import pytest

from shared.auth.authentication import TokenAuthentication
from shared.auth.openid import OpenIdIssuer, OpenIdLimits
from shared.auth.principal import READ, Principal
from shared.auth.tokens import InvalidToken
from shared.errors import Unavailable
from tests.support.access import Keys
from tests.support.clock import Time
from tests.support.issuer import Issuer

LIMITS = OpenIdLimits()


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def issuer():
    issuer = Issuer()
    for kid, algorithm in (("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA")):
        issuer.add_key(kid, algorithm)
    yield issuer
    issuer.server_close()


@pytest.fixture
def running(issuer):
    with ExitStack() as stack:
        stack.enter_context(issuer.running())
        yield stack


@pytest.fixture
async def authentication(issuer, clock, tmp_path):
    async with httpx.AsyncClient(trust_env=False) as client:
        known = OpenIdIssuer(issuer.url, client=client, clock=clock)
        yield TokenAuthentication(Keys(tmp_path / "keys").directory, audience="muster", issuer=known)


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
async def test_each_of_an_issuers_keys_lets_in(issuer, running, authentication, kid):
    """By the one algorithm that is the key's."""
    principal = await authentication.authenticate(issuer.token(kid, scope=f"openid {READ}", jti="t1"))

    assert (principal.subject, principal.scopes, principal.token_id) == ("ada@issuer", {READ}, "t1")
    assert authentication.stands(principal)


@pytest.mark.parametrize("claims", [{"scp": [READ]}, {"scp": READ}, {"scope": [READ, 7]}])
async def test_scopes_are_found_where_issuers_put_them(issuer, running, authentication, claims):
    assert (await authentication.authenticate(issuer.token("rsa", **claims))).scopes == {READ}


async def test_an_issuer_cannot_lift_the_limit_of_requests(issuer, running, authentication):
    assert (await authentication.authenticate(issuer.token("rsa", unlimited=True))).is_limited


async def test_the_issuer_is_asked_once_for_many(issuer, running, authentication):
    """Also if they all come at once."""
    tokens = [issuer.token(kid, jti=str(nth)) for kid in issuer.keys for nth in range(10)]

    await asyncio.gather(*map(authentication.authenticate, tokens))

    assert issuer.asked == 1


async def test_a_new_key_is_looked_for_but_not_for_made_up_ids(issuer, running, authentication, clock):
    """Between two looks some seconds must pass, however many ask."""
    await authentication.authenticate(issuer.token("rsa"))
    issuer.add_key("new", "ES256")
    stranger = Issuer()
    stranger.url = issuer.url
    for nth in range(20):
        stranger.add_key(f"made-up-{nth}", "EdDSA")
        with pytest.raises(InvalidToken, match="unknown, or withdrawn"):
            await authentication.authenticate(stranger.token(f"made-up-{nth}"))
    stranger.server_close()
    assert issuer.asked == 1

    clock.now += LIMITS.unknown_key
    await authentication.authenticate(issuer.token("new"))

    assert issuer.asked == 2


async def test_an_issuer_that_is_away_does_not_matter_to_known_keys(issuer, running, authentication, clock):
    """Only keys that nobody knows yet have to wait for it."""
    await authentication.authenticate(issuer.token("rsa"))
    running.close()
    issuer.server_close()
    clock.now += 2 * LIMITS.refresh
    await authentication._issuer.refresh()

    assert await authentication.authenticate(issuer.token("rsa", jti="another"))
    issuer.add_key("new", "RS256")
    with pytest.raises(Unavailable):
        await authentication.authenticate(issuer.token("new"))


async def test_a_withdrawn_key_is_good_no_longer_than_the_keys_are_kept(issuer, running, authentication, clock):
    token = issuer.token("ec")
    principal = await authentication.authenticate(token)
    authentication.refresh()
    del issuer.keys["ec"]

    clock.now += LIMITS.refresh
    await authentication._issuer.refresh()
    authentication.refresh()

    assert authentication.known(token) is None
    assert not authentication.stands(principal)
    with pytest.raises(InvalidToken, match="unknown, or withdrawn"):
        await authentication.authenticate(token)


async def test_an_issuer_under_another_name_vouches_for_no_token(issuer, running, authentication):
    """OpenID Connect Discovery 1.0, section 4.3."""
    issuer.calls_itself = "https://another.example"

    with pytest.raises(Unavailable):
        await authentication.authenticate(issuer.token("rsa"))


@pytest.mark.parametrize(("keys_at", "asked"), [("https://keys.example/keys", 1), ("http://keys.example/keys", 0)])
async def test_keys_that_anybody_on_the_way_could_change_are_not_fetched(issuer, keys_at, asked):
    """Although it is the issuer itself who says that they are there."""
    issuer.url, issuer.has_its_keys_at = "https://issuer.example", keys_at
    transport = httpx.MockTransport(issuer.answer)
    async with httpx.AsyncClient(transport=transport) as client:
        known = OpenIdIssuer(issuer.url, client=client)
        await known.refresh()

    assert (issuer.asked, len(known.keys)) == (asked, asked * len(issuer.keys))


async def test_a_weak_or_private_key_is_none(issuer, running, authentication, monkeypatch):
    """Nor is one that is for encryption."""
    described = issuer.jwk("ec")
    monkeypatch.setattr(issuer, "jwk", lambda kid: {**described, "kid": kid, "use": "enc"})

    with pytest.raises(InvalidToken, match="unknown, or withdrawn"):
        await authentication.authenticate(issuer.token("ec"))


async def test_a_revoked_id_of_an_issuers_token_counts_too(issuer, running, authentication):
    token = issuer.token("rsa", jti="stolen")
    await authentication.authenticate(token)
    authentication._directory.revoke("stolen")
    authentication.refresh()

    with pytest.raises(InvalidToken, match="revoked"):
        await authentication.authenticate(token)


async def test_a_session_that_another_process_began_by_a_new_key_is_good_here(issuer, running, authentication, clock):
    """The issuer is asked for the key; while it does not answer, the session is not over; one of a key of ours is."""
    begun = Principal("ada@issuer", frozenset([READ]), key_id="rsa", expires_at=inf)
    assert not authentication.stands(begun)

    assert await authentication.admits(begun)
    assert not await authentication.admits(begun._replace(key_id="withdrawn"))
    retired = begun._replace(key_id="retired", is_ours=True)
    running.close()
    issuer.server_close()
    clock.now += LIMITS.unknown_key
    with pytest.raises(Unavailable):
        await authentication.admits(begun._replace(key_id="new"))
    assert await authentication.admits(begun)
    assert not await authentication.admits(retired)


@pytest.fixture
async def counted(issuer, clock):
    """An issuer as a client knows it, and the paths of the requests."""
    issuer.url, paths = "https://issuer.example", []

    def answer(request):
        paths.append(request.url.path)
        return issuer.answer(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        yield OpenIdIssuer(issuer.url, client=client, clock=clock), paths


async def test_sign_ins_do_not_ask_where_they_lead_each_time(counted, clock):
    """Anybody may begin one, and as many as they like."""
    known, paths = counted

    found = await asyncio.gather(*(known.endpoint("token_endpoint") for _ in range(10)))
    assert set(found) == {"https://issuer.example/token"}
    assert len(paths) == 2

    clock.now += LIMITS.refresh
    await known.endpoint("token_endpoint")
    assert len(paths) == 4


async def test_an_issuer_that_is_away_is_not_asked_by_each_sign_in(issuer, counted):
    known, paths = counted
    issuer.calls_itself = "https://another.example"

    for _ in range(10):
        with pytest.raises(Unavailable):
            await known.endpoint("token_endpoint")

    assert len(paths) == 1


@pytest.mark.parametrize(
    "address", ["https://issuer.example:bad/", "https://issuer.example:99999/", "https://[::1", "https://x/\n", 7, None]
)
async def test_an_address_that_is_none_leads_nowhere(issuer, counted, address, monkeypatch):
    known, _ = counted
    described = {**issuer.described(), "token_endpoint": address, "keys": []}
    monkeypatch.setattr(issuer, "answer", lambda _: httpx.Response(200, json=described))

    with pytest.raises(Unavailable):
        await known.endpoint("token_endpoint")
