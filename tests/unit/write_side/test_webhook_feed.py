"""A webhook gets what the read API gives to a reader with its scopes: asked of the read API itself."""

from datetime import UTC, datetime
from uuid import UUID

import httpx
import jwt
import msgspec
import pytest

from shared.auth.authentication import NoAuthentication
from shared.auth.principal import PRIVATE, READ
from shared.auth.signing_keys import KeyDirectory
from shared.errors import Unavailable
from tests.support.directory import JUDICIARY
from tests.support.read_side import ADA, BOB
from tests.support.webhooks import webhook
from tests.unit.authenticated_apps import AuthenticatedApps
from write_side.adapters.webhooks.change_feed import HttpChangeFeed, no_headers
from write_side.adapters.webhooks.reader_tokens import ReaderTokens
from write_side.webhooks.ports import HistoryTrimmed


@pytest.fixture
async def client(authentication):
    async with AuthenticatedApps(authentication).client("read") as client:
        yield client


@pytest.fixture
def feed(client, keys):
    return HttpChangeFeed(client, headers=ReaderTokens(keys.directory, audience="muster"), answer_seconds=5)


async def read(feed, **about):
    return await feed.read(webhook(1, **about), limit=50, wait=0)


@pytest.mark.parametrize(("with_values", "scopes"), [(False, (READ,)), (True, (READ, PRIVATE))])
async def test_what_is_sent_is_what_a_reader_with_the_scopes_is_given(feed, client, keys, with_values, scopes):
    page = await read(feed, with_values=with_values)

    answer = msgspec.json.decode((await client.get("/changes", headers=keys.headers(*scopes))).content)
    assert [msgspec.json.decode(each.body) for each in page.changes] == answer["items"]
    assert page.position == answer["next_after"]
    assert any("values" in each["data"] for each in answer["items"]) is with_values


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"position": 2}, [3, 4]),
        ({"types": ("group-updated", "member-added")}, [3, 4]),
        ({"account_id": BOB.account_id}, [4]),
        ({"group_id": JUDICIARY.group_id, "types": ("group-updated",)}, [3]),
    ],
)
async def test_the_filters_are_those_of_the_feed(feed, about, expected):
    page = await read(feed, **about)

    assert ([each.position for each in page.changes], page.position) == (expected, 5)


async def test_changes_are_in_order_by_account_and_those_of_a_group_by_group(feed):
    """A membership belongs to its account."""
    about = [each.about for each in (await read(feed)).changes]

    assert about == [ADA.account_id, ADA.account_id, UUID(str(JUDICIARY.group_id)), BOB.account_id]


async def test_values_are_left_out_where_everybody_is_shown_them():
    """Without authentication."""
    async with AuthenticatedApps(NoAuthentication()).client("read") as client:
        feed = HttpChangeFeed(client, headers=no_headers, answer_seconds=5)

        without, full = await read(feed), await read(feed, with_values=True)

    assert b"values" in full.changes[1].body
    assert [b"values" in each.body for each in without.changes] == [False] * 4


@pytest.mark.parametrize(("with_values", "scopes"), [(False, (READ,)), (True, (READ, PRIVATE))])
async def test_no_more_scopes_are_asked_for_than_a_webhook_has(client, keys, with_values, scopes):
    asked, tokens = [], ReaderTokens(keys.directory, audience="muster")

    def headers(scopes):
        asked.append(scopes)
        return tokens(scopes)

    await read(HttpChangeFeed(client, headers=headers, answer_seconds=5), with_values=with_values)

    assert asked == [scopes]


def answering(status: int, body: object = None) -> HttpChangeFeed:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    client = httpx.AsyncClient(transport=transport, base_url="http://read")
    return HttpChangeFeed(client, headers=no_headers, answer_seconds=5)


async def test_what_was_trimmed_is_said():
    with pytest.raises(HistoryTrimmed) as trimmed:
        await read(answering(410, {"oldest_position": 33}))

    assert trimmed.value.oldest == 33


@pytest.mark.parametrize(("status", "body"), [(503, {}), (401, {}), (200, {"something": "else"}), (200, [])])
async def test_any_other_answer_is_waited_out(status, body):
    with pytest.raises(Unavailable):
        await read(answering(status, body))


def test_each_page_is_read_with_a_token_of_now(keys):
    """A token that was kept would be refused after its key was retired, or a clock was set."""
    tokens, former = ReaderTokens(keys.directory, audience="muster"), keys.directory.newest()
    tokens((READ,))
    keys.directory.new(now=datetime.now(UTC))
    keys.directory.retire(former.id)

    [scheme, token] = tokens((READ,))["Authorization"].split()

    assert (scheme, jwt.get_unverified_header(token)["kid"]) == ("Bearer", keys.directory.newest().id)
    assert keys.directory.newest().id != former.id


async def test_without_a_key_nobody_reads(client, tmp_path):
    tokens = ReaderTokens(KeyDirectory(tmp_path / "none"), audience="muster")

    with pytest.raises(Unavailable, match="there is no key"):
        await read(HttpChangeFeed(client, headers=tokens, answer_seconds=5))
