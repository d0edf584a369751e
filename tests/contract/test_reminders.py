"""An address that stays unverified: its person is reminded once, and the account closed if that is set."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.events import AccountClosed
from write_side.domain.account import AccountStatus
from write_side.reactions.registry import ReactionTimes, reactions_at

REMINDER, CLOSING = timedelta(days=3), timedelta(days=30)
NEVER, LATER = ReactionTimes(reminder=REMINDER), ReactionTimes(reminder=REMINDER, closing=CLOSING)


def at(reacting, times):
    return replace(reacting, reactions=reactions_at(times))


def subjects(reacting):
    return [mail.subject for mail in reacting.mailer.sent]


async def test_a_person_is_reminded_once(reacting):
    reacting = at(reacting, NEVER)
    await reacting.register()
    await reacting.react()

    reacting.side.clock.advance(REMINDER - timedelta(seconds=1))
    await reacting.react()
    assert len(reacting.mailer.sent) == 1
    reacting.side.clock.advance(timedelta(seconds=1))
    await reacting.react()
    reacting.side.clock.advance(10 * REMINDER)
    await reacting.react()

    assert subjects(reacting) == ["Confirm your e-mail address", "Please confirm your e-mail address"]
    assert await reacting.left() == []


@pytest.mark.parametrize("happens", ["verified", "changed", "closed", "erased"])
async def test_a_reminder_that_is_not_needed_any_more_finds_nothing_to_do(reacting, happens):
    """That of another address is due when it has had its own time."""
    reacting = at(reacting, NEVER)
    andre = await reacting.register()
    await reacting.react()
    reacting.side.clock.advance(timedelta(days=1))
    match happens:
        case "verified":
            await reacting.side.run("verify-email", token=reacting.side.token(andre, "andre@example.org"))
        case "changed":
            await reacting.side.run("change-email", account=str(andre), email="new@example.org")
        case "closed":
            await reacting.side.run("close-account", account=str(andre))
        case "erased":
            await reacting.side.run("erase-account", account=str(andre))
    await reacting.react()

    reacting.side.clock.advance(REMINDER - timedelta(days=1))
    await reacting.react()

    assert "Please confirm your e-mail address" not in subjects(reacting)
    assert [each.reaction for each in await reacting.left()] == ["remind-to-verify"] * (happens == "changed")


async def test_a_reminder_of_later_holds_up_no_mail_of_now(reacting):
    reacting = at(reacting, LATER)
    andre = await reacting.register()
    await reacting.react()

    await reacting.side.run("suspend-account", account=str(andre))
    await reacting.react()

    assert subjects(reacting)[-1] == "Your account is suspended"


async def test_an_account_is_closed_when_its_time_is_over(reacting):
    """And its person is notified; what the account did not ask for has an actor of its own."""
    reacting = at(reacting, LATER)
    andre = await reacting.register()
    await reacting.react()
    reacting.side.clock.advance(CLOSING)
    await reacting.react()
    await reacting.react()

    *_, closed = await reacting.side.events()
    assert closed.event == AccountClosed(account_id=andre, reason="the e-mail address was not verified in time")
    assert closed.metadata.actor == "muster-react"
    assert subjects(reacting)[-1] == "Your account is closed"
    assert await reacting.left() == []


async def test_an_account_that_is_verified_in_time_stays(reacting):
    reacting = at(reacting, LATER)
    andre = await reacting.register()
    await reacting.react()
    await reacting.side.run("verify-email", token=reacting.side.token(andre, "andre@example.org"))

    reacting.side.clock.advance(CLOSING)
    await reacting.react()

    assert (await reacting.session.recipient(andre)).status is AccountStatus.ACTIVE


async def test_an_account_that_changes_while_it_is_closed_is_looked_at_again(reacting):
    """The address may have been verified between the look and the command."""
    reacting = at(reacting, LATER)
    andre = await reacting.register()
    await reacting.react()
    reacting.side.clock.advance(CLOSING)
    look = reacting.session.recipient
    looks = []

    async def verified_behind_its_back(account_id):
        found = await look(account_id)
        looks.append(found)
        if len(looks) == 2:  # the first was for the reminder
            await reacting.side.run("verify-email", token=reacting.side.token(andre, "andre@example.org"))
        return found

    reacting.limits = replace(reacting.limits, at_once=1)
    reacting.session.recipient = verified_behind_its_back
    await reacting.react()
    [deferred] = await reacting.left()
    reacting.side.clock.advance(timedelta(minutes=1))
    await reacting.react()

    assert deferred.error == "version-mismatch"
    assert (await look(andre)).status is AccountStatus.ACTIVE
    assert await reacting.left() == []


@pytest.mark.parametrize("attempts", [1, 82], ids=["given up", "waiting"])
async def test_no_account_is_closed_whose_person_was_never_asked(reacting, attempts):
    """The mail server has been away, or has refused the mail."""
    reacting = at(reacting, LATER).limited(attempts=attempts)
    andre = await reacting.register()
    reacting.mailer.available = False
    await reacting.react()

    reacting.side.clock.advance(CLOSING)
    await reacting.react()

    assert (await reacting.session.recipient(andre)).status is AccountStatus.ACTIVE
    assert "close-unverified" not in {each.reaction for each in await reacting.left()}


async def test_closing_can_be_switched_off_again(reacting):
    """What was scheduled before is not carried out any more."""
    on, off = at(reacting, LATER), at(reacting, NEVER)
    andre = await on.register()
    await on.react()
    off.side.clock.advance(CLOSING)

    await off.react()

    assert (await off.session.recipient(andre)).status is AccountStatus.ACTIVE
    assert await off.left() == []


async def test_no_account_is_closed_unless_that_is_set(reacting):
    reacting = at(reacting, ReactionTimes())
    andre = await reacting.register()
    await reacting.react()

    reacting.side.clock.advance(timedelta(days=3_000))
    await reacting.react()

    assert (await reacting.session.recipient(andre)).status is AccountStatus.ACTIVE
