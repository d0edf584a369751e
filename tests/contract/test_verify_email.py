"""An address is verified by a token that was made for it, on every adapter."""

from datetime import timedelta
from uuid import UUID

import pytest

from shared.events import EmailVerified
from tests.support.write_side import ANDRE, TOKEN_KEY
from write_side.adapters.postgres.command_log import FINGERPRINT_KEY
from write_side.adapters.postgres.connections.transactions import PostgresTransactions, create_engine
from write_side.adapters.postgres.token_key import PostgresTokenKey
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.email_token import EmailToken, TokenNotGood
from write_side.domain.values import EmailAddress

OTHER = "andre@carson.example"


@pytest.fixture
async def andre(write_side) -> UUID:
    return (await write_side.run("register-account", **ANDRE)).outcome.id


async def test_a_verified_address_is_an_event_of_the_account(write_side, andre):
    answer = await write_side.run("verify-email", token=write_side.token(andre, ANDRE["email"]))

    *_, verified = await write_side.events()
    assert verified.event == EmailVerified(account_id=andre)
    assert (answer.outcome.id, answer.outcome.version) == (andre, verified.version)


async def test_a_token_is_good_once(write_side, andre):
    token = write_side.token(andre, ANDRE["email"])
    await write_side.run("verify-email", token=token, key="first")

    with pytest.raises(TokenNotGood):
        await write_side.run("verify-email", token=token, key="second")

    assert (await write_side.run("verify-email", token=token, key="first")).replayed


async def test_a_token_expires(write_side, andre):
    token = write_side.token(andre, ANDRE["email"], valid=timedelta(hours=1))
    write_side.clock.advance(timedelta(hours=1))

    with pytest.raises(TokenNotGood):
        await write_side.run("verify-email", token=token)


async def test_an_address_that_comes_back_revives_no_token(write_side, andre):
    """Neither the first one nor that of the address in between; the one that it has come back with is good."""
    await write_side.run("change-email", account=str(andre), email=OTHER)
    await write_side.run("change-email", account=str(andre), email=ANDRE["email"])

    for email, version in ((ANDRE["email"], 1), (OTHER, 2), (OTHER, 3)):
        with pytest.raises(TokenNotGood):
            await write_side.run("verify-email", token=write_side.token(andre, email, version))
    await write_side.run("verify-email", token=write_side.token(andre, ANDRE["email"], 3))


async def test_another_address_is_to_be_verified_again(write_side, andre):
    await write_side.run("verify-email", token=write_side.token(andre, ANDRE["email"]))
    changed = await write_side.run("change-email", account=str(andre), email=OTHER)

    again = await write_side.run("verify-email", token=write_side.token(andre, OTHER, changed.outcome.version))

    assert again.outcome.version == changed.outcome.version + 1


async def test_a_token_of_another_directory_or_purpose_is_not_good(write_side, andre):
    until = write_side.clock.now() + timedelta(days=1)
    elsewhere = EmailToken.issue(andre, EmailAddress.parse(ANDRE["email"]), 1, key=bytes(32), until=until)
    good = EmailToken.issue(andre, EmailAddress.parse(ANDRE["email"]), 1, key=TOKEN_KEY, until=until)
    longer = good._replace(expires_at=good.expires_at + 1)
    stranger = good._replace(account_id=UUID(int=7))

    for token in (elsewhere, longer, stranger, "", "x", "ä", f"{good}A", str(good)[:-1]):
        with pytest.raises(TokenNotGood):
            await write_side.run("verify-email", token=str(token) or " ")


async def test_a_closed_account_verifies_nothing(write_side, andre):
    """Whether it is closed is said to the owner of a good token alone."""
    token = write_side.token(andre, ANDRE["email"])
    await write_side.run("close-account", account=str(andre))

    with pytest.raises(AccountAlreadyClosed):
        await write_side.run("verify-email", token=token)
    with pytest.raises(TokenNotGood):
        await write_side.run("verify-email", token=write_side.token(andre, OTHER))


async def test_the_key_is_the_databases_own(database_url):
    """It is none of the key that hides what commands said."""
    engine = create_engine(database_url, allow_unsafe=True)
    transactions = PostgresTransactions(engine)
    async with transactions.pipelined() as transaction:
        [[(fingerprint_key,)]] = await transaction.trip(FINGERPRINT_KEY)

    key, again = await PostgresTokenKey(transactions).read(), await PostgresTokenKey(transactions).read()

    await transactions.close()
    assert key == again
    assert key != fingerprint_key
    assert len(key) == 32
