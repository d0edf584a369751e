"""The page behind the link in a mail: looking at it does nothing, its button verifies."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest

from shared.auth.authentication import Authentication, TokenAuthentication
from shared.auth.signing_keys import KeyDirectory
from shared.events import EmailVerified
from tests.support.apps import app_client
from tests.support.write_side import ANDRE, WriteSide, memory_write_side
from write_side.execution.executor import CommandExecutor
from write_side.http.app import write_api
from write_side.http.verify_email_texts import texts_in


@pytest.fixture
def side() -> WriteSide:
    return memory_write_side()


@pytest.fixture
async def client(side, tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    """A browser: it has no token of the API's."""

    def register(registry) -> None:
        keys = KeyDirectory(tmp_path)
        keys.new(now=side.clock.now())
        registry.register_value(Authentication, TokenAuthentication(keys, audience="muster", issuer=None))
        registry.register_value(CommandExecutor, side.executor)

    async with app_client(write_api, register) as client:
        yield client


@pytest.fixture
async def token(side) -> str:
    account_id = (await side.run("register-account", **ANDRE)).outcome.id
    return side.token(account_id, ANDRE["email"])


async def press_button(client, token):
    return await client.post("/verify-email", data={"token": token})


async def verifications(side):
    return [each.metadata.actor for each in await side.events() if isinstance(each.event, EmailVerified)]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_the_page_verifies_nothing(client, side, token, method):
    """What scans mail follows every link in it."""
    answer = await client.request(method, "/verify-email", params={"token": token})

    assert answer.status_code == 200
    assert await verifications(side) == []


async def test_the_button_verifies(client, side, token):
    page = await client.get("/verify-email", params={"token": token})
    [sent] = re.findall(r'name="token" value="([^"]*)"', page.text)

    answer = await press_button(client, unescape(sent))

    assert answer.status_code == 200
    assert "<h1>Your e-mail address is confirmed</h1>" in answer.text
    assert await verifications(side) == ["verify-email"]


@pytest.mark.parametrize(
    ("locale", "shown", "done"),
    [
        ("de", "de", "Ihre E-Mail-Adresse ist bestätigt"),
        ("de-CH", "de", "Ihre E-Mail-Adresse ist bestätigt"),
        ("xx", "en", "Your e-mail address is confirmed"),
    ],
)
async def test_the_page_speaks_as_the_mail_did(client, token, locale, shown, done):
    """The link says the language, and the button goes on with it."""
    page = await client.get("/verify-email", params={"token": token, "locale": locale})
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))

    answer = await client.post("/verify-email", data={name: unescape(each) for name, each in fields.items()})

    assert f"<button>{texts_in(locale).button}</button>" in page.text
    assert f"<h1>{done}</h1>" in answer.text
    assert {f'<html lang="{shown}">' in each.text for each in (page, answer)} == {True}


async def test_refusals_are_said_in_the_language_too(client):
    answer = await client.post("/verify-email", data={"token": "x", "locale": "de"})

    assert answer.status_code == 422
    assert "<h1>Der Link gilt nicht mehr</h1>" in answer.text


async def test_the_button_may_be_pressed_twice(client, side, token):
    answers = [(await press_button(client, token)).status_code for _ in range(2)]

    assert answers == [200, 200]
    assert len(await verifications(side)) == 1


@pytest.mark.parametrize("token", ["", "x", "A" * 76, "ä", "\x00", "x" * 201, "x&token=y"])
async def test_a_token_that_is_not_good_is_said_to_be(client, token):
    answer = await press_button(client, token)

    assert answer.status_code == 422
    assert "<h1>The token is not good</h1>" in answer.text


async def test_a_closed_account_is_said_to_be(client, side, token):
    await side.run("close-account", account="@andre.carson")

    answer = await press_button(client, token)

    assert answer.status_code == 409
    assert "<h1>The account is closed</h1>" in answer.text


async def test_a_link_without_its_token_has_no_button(client):
    answer = await client.get("/verify-email")

    assert answer.status_code == 422
    assert "<button" not in answer.text


async def test_what_the_link_says_is_text_on_the_page(client):
    answer = await client.get("/verify-email", params={"token": '"><script>alert(1)</script>'})

    assert "<script" not in answer.text


async def test_nothing_else_may_run_or_frame_the_page_or_learn_of_its_token(client, token):
    """The one style is allowed by its digest; the address, with the token in it, goes nowhere (CSP 3)."""
    answer = await client.get("/verify-email", params={"token": token})

    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "form-action 'self'; frame-ancestors 'none'" in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


async def test_only_a_form_is_taken(client, token):
    answer = await client.post("/verify-email", json={"token": token})

    assert answer.status_code == 415


async def test_a_database_that_is_away_is_to_be_asked_again(client, side, token):
    side.units._database.available = False

    answer = await press_button(client, token)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
