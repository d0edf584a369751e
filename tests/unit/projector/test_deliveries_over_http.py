"""What operators see and do about deliveries that were given up, over HTTP and on the page."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from projector.adapters.memory.deliveries import MemoryGivenUpDeliveries
from projector.monitoring.deliveries import GivenUpDelivery, WebhookStatus
from tests.support.projectors import ops_client, with_people

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GIVEN_UP = GivenUpDelivery(
    id=UUID(int=7),
    reaction="send-verification-mail",
    account_id=UUID(int=1),
    position=42,
    attempts=82,
    error="the mail server is away (SMTPConnectError)",
    given_up_at=datetime(2026, 11, 25, tzinfo=UTC),
)
PAUSED = WebhookStatus(
    name="billing",
    state="paused",
    position=41,
    failures=0,
    why="it answers 410: it is gone",
    since=datetime(2026, 11, 26, tzinfo=UTC),
)
RETRY = f"/deliveries/{GIVEN_UP.id}/retry"


@pytest.fixture
def given_up():
    return MemoryGivenUpDeliveries(GIVEN_UP, webhooks=[PAUSED], mail_folder="/var/lib/muster/mail")


@pytest.fixture
async def client(given_up):
    async with ops_client(with_people("ada"), deliveries=given_up) as client:
        yield client


async def test_what_was_given_up_is_listed_with_why(client):
    report = (await client.get("/deliveries")).json()

    assert (report["waiting"], report["given_up"]) == (0, 1)
    assert report["deliveries"] == [
        {
            "id": str(GIVEN_UP.id),
            "reaction": "send-verification-mail",
            "account_id": str(GIVEN_UP.account_id),
            "position": 42,
            "attempts": 82,
            "error": GIVEN_UP.error,
            "given_up_at": "2026-11-25T00:00:00Z",
        }
    ]


async def test_a_webhook_is_shown_with_its_state_and_why(client):
    """On the page too."""
    report, page = (await client.get("/deliveries")).json(), (await client.get("/")).text

    assert [(each["name"], each["state"], each["why"]) for each in report["webhooks"]] == [
        ("billing", "paused", PAUSED.why)
    ]
    assert PAUSED.why in page


async def test_where_mails_are_written_to_is_shown(client):
    """On the page too."""
    report, page = (await client.get("/deliveries")).json(), (await client.get("/")).text

    assert report["mail_folder"] == "/var/lib/muster/mail"
    assert "<code><bdi>/var/lib/muster/mail</bdi></code>" in page


async def test_it_is_retried_once(client, given_up):
    """By the page that shows it; the second time nothing is given up any more."""
    page = (await client.get("/")).text
    first = await client.post(RETRY, json={})
    second = await client.post(RETRY, json={})

    assert f'data-path="{RETRY[1:]}"' in page
    assert GIVEN_UP.error in page
    assert (first.status_code, first.json()) == (200, {"id": str(GIVEN_UP.id), "retried": True})
    assert list(given_up.retried) == [GIVEN_UP.id]
    assert (second.status_code, second.json()["type"]) == (404, "/problems/delivery-not-given-up")


@pytest.mark.parametrize("id", ["x", "00000000-0000-0000-0000-000000000008"])
async def test_what_there_is_not_is_not_retried(client, given_up, id):
    answer = await client.post(f"/deliveries/{id}/retry", json={})

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/delivery-not-given-up")
    assert given_up.retried == {}


async def test_no_page_of_others_can_order_it(client, given_up):
    refused = [
        await client.post(RETRY, json={}, headers={"Origin": "https://evil.example"}),
        await client.post(RETRY, content=b"", headers=FORM),
        await client.post(RETRY, json={"force": True}),
    ]

    assert [each.status_code for each in refused] == [403, 415, 422]
    assert given_up.retried == {}
