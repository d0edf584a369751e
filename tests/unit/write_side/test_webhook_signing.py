"""What is sent is signed as Standard Webhooks 1.0 has it: receivers verify it with the library of others."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from tests.support.webhooks import NOW, webhook
from write_side.webhooks.signing import new_secret, signed

ID = str(UUID(int=7))
BODY = '{"sequence": 7, "text": "Ça va"}'.encode()


def test_the_vector_of_the_specification():
    secret, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", datetime.fromtimestamp(1_614_265_330, UTC)

    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', by=[secret], at=at)

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_receiver_verifies_it():
    secret = new_secret()

    headers = signed(ID, BODY, by=[secret], at=datetime.now(UTC))

    assert Verifier(secret).verify(BODY, dict(headers)) == {"sequence": 7, "text": "Ça va"}


@pytest.mark.parametrize("changed", ["body", "id", "timestamp", "secret"])
def test_a_receiver_refuses_what_was_changed(changed):
    secret, body = new_secret(), BODY
    headers = dict(signed(ID, BODY, by=[secret], at=datetime.now(UTC)))
    match changed:
        case "body":
            body = BODY.replace(b"7", b"8")
        case "id":
            headers["webhook-id"] = str(UUID(int=8))
        case "timestamp":
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
        case "secret":
            secret = new_secret()

    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body, headers)


def test_two_secrets_are_good_after_a_rotation():
    """For a time: then the former is not."""
    before = webhook(1)
    after, now = before.rotated(new_secret(), until=NOW + timedelta(hours=1)), datetime.now(UTC)

    headers = signed(ID, BODY, by=after.secrets(NOW), at=now)

    for secret in (before.secret, after.secret):
        Verifier(secret).verify(BODY, dict(headers))
    assert after.secrets(NOW + timedelta(hours=1)) == (after.secret,)


def test_secrets_are_long_and_differ():
    assert new_secret() != new_secret()
    assert len(new_secret()) == len("whsec_") + 44
