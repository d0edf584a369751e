"""What every unit of work promises, on every adapter."""

from uuid import uuid4

import pytest

from shared.events import AccountRegistered, HandleChanged, ProfileCreated, ProfileUpdated
from tests.support.write_side import ANDRE, context, race
from write_side.domain import errors
from write_side.domain.account import Account, AccountAlreadyClosed, AccountStatus
from write_side.domain.references import AccountRef
from write_side.domain.values import EmailAddress, Handle
from write_side.ports import Answer, Outcome

BY_HANDLE = AccountRef.parse("@andre.carson")


async def test_a_registration_stores_both_aggregates_and_their_events_together(write_side):
    """Account and profile come into being in one unit of work, each with a history of its own."""
    answer = await write_side.run("register-account", **ANDRE)

    first, second = await write_side.events()
    account_id = answer.outcome.id
    assert answer == Answer(Outcome(account_id, 1, second.position), replayed=False)
    assert (first.aggregate, first.aggregate_id, first.version) == ("account", account_id, 1)
    assert (second.aggregate, second.aggregate_id, second.version) == ("profile", account_id, 1)
    assert first.event == AccountRegistered(account_id=account_id, email="andre@example.org", handle="andre.carson")
    assert second.event == ProfileCreated(account_id=account_id, display_name="André Carson")
    assert first.occurred_at == write_side.clock.now()
    assert (first.metadata.command, first.metadata.actor, first.metadata.correlation) == (
        "register-account",
        "tester",
        "a-request",
    )


async def test_what_is_not_committed_is_forgotten(write_side):
    """Leaving a unit of work without commit stores nothing, and frees the key."""
    await write_side.run("register-account", **ANDRE)
    unfinished = context("suspend-account", key="k")

    async with write_side.units.under(unfinished) as uow:
        account = await uow.accounts.get(BY_HANDLE)
        account.suspend(reason=None, at=write_side.clock.now())

    async with write_side.units.under(unfinished) as uow:
        assert (await uow.accounts.get(BY_HANDLE)).status is AccountStatus.ACTIVE
    assert len(await write_side.events()) == 2
    assert await write_side.units.answer_to(unfinished) is None


async def test_the_second_of_two_concurrent_changes_is_stale(write_side):
    """Of two units of work that read the same version, one commits."""
    await write_side.run("register-account", **ANDRE)
    now = write_side.clock.now()

    async with write_side.units.under(context("one")) as one, write_side.units.under(context("two")) as two:
        first, second = await one.accounts.get(BY_HANDLE), await two.accounts.get(BY_HANDLE)
        first.suspend(reason=None, at=now)
        second.change_handle(Handle("other"), at=now)
        await one.commit(first)
        with pytest.raises(errors.StaleAggregate):
            await two.commit(second)

    assert [type(each.event).__name__ for each in await write_side.events()][2:] == ["AccountSuspended"]


async def test_what_is_relied_on_does_not_change_meanwhile(write_side):
    """A profile is not updated on the strength of an account that is being closed: one of the two has to give way."""
    await write_side.run("register-account", **ANDRE)

    outcomes = await race(
        write_side,
        *(write_side.run("update-profile", account="@andre.carson", bio=f"{n}") for n in range(5)),
        write_side.run("close-account", account="@andre.carson"),
        *(write_side.run("update-profile", account="@andre.carson", bio=f"{n}") for n in range(5, 10)),
    )

    refused = [each for each in outcomes if not isinstance(each, Answer)]
    assert {type(each) for each in refused} <= {AccountAlreadyClosed, errors.StaleAggregate}
    kinds = [type(each.event).__name__ for each in await write_side.events()]
    assert kinds[-1] == "AccountClosed"
    assert kinds.count("ProfileUpdated") == len(outcomes) - len(refused) - 1


async def test_what_must_be_unique_is_unique_without_case(write_side):
    await write_side.run("register-account", **ANDRE, external_id="1")

    for clash, refusal in (
        ({"email": "ANDRE@example.ORG"}, errors.EmailTaken),
        ({"handle": "Andre.Carson"}, errors.HandleTaken),
        ({"external_id": "1"}, errors.ExternalIdTaken),
    ):
        another = {"handle": "b", "external_id": "2", "email": "b@example.org", "display_name": "B"}
        with pytest.raises(refusal):
            await write_side.run("register-account", **another | clash)

    assert len(await write_side.events()) == 2


async def test_of_twenty_racing_registrations_one_wins(write_side):
    """The e-mail address goes to one; the others are refused because it is taken, and leave nothing behind."""
    racers = [
        write_side.run("register-account", email="same@example.org", handle=f"h{n}", display_name="R")
        for n in range(20)
    ]

    outcomes = await race(write_side, *racers)

    assert sum(isinstance(each, Answer) for each in outcomes) == 1
    assert sum(isinstance(each, errors.EmailTaken) for each in outcomes) == 19
    assert len(await write_side.events()) == 2


async def test_an_id_is_given_once(write_side):
    account_id = str(uuid4())
    await write_side.run("register-account", **ANDRE, account_id=account_id)

    with pytest.raises(errors.AccountExists):
        await write_side.run(
            "register-account", account_id=account_id, email="b@example.org", handle="b", display_name="B"
        )


async def test_a_freed_handle_can_be_taken_at_once(write_side):
    """Two accounts swap their handles by way of a third one."""
    await write_side.run("register-account", **ANDRE)
    await write_side.run("register-account", email="b@example.org", handle="b", display_name="B")

    await write_side.run("change-handle", account="@b", handle="c")
    await write_side.run("change-handle", account="@andre.carson", handle="b")
    last = await write_side.run("change-handle", account="@c", handle="andre.carson")

    changes = [each.event for each in await write_side.events() if isinstance(each.event, HandleChanged)]
    assert [(change.old, change.new) for change in changes] == [
        ("b", "c"),
        ("andre.carson", "b"),
        ("c", "andre.carson"),
    ]
    assert last.outcome.version == 3


async def test_an_account_is_found_by_each_reference(write_side):
    registered = (await write_side.run("register-account", **ANDRE, external_id="bioguide:C001072")).outcome.id

    for nth, ref in enumerate(("@ANDRE.carson", "ext:bioguide:C001072", str(registered))):
        suspended = await write_side.run("suspend-account", account=ref)
        await write_side.run("reinstate-account", account=ref)
        assert (suspended.outcome.id, suspended.outcome.version) == (registered, 2 * nth + 2)


async def test_a_command_that_changes_nothing_answers_the_last_position(write_side):
    """Its version and position are those of the aggregate's last event, however far the log has gone meanwhile."""
    await write_side.run("register-account", **ANDRE)
    suspended = await write_side.run("suspend-account", account="@andre.carson")
    await write_side.run("register-account", email="b@example.org", handle="b", display_name="B")

    again = await write_side.run("suspend-account", account="@andre.carson")

    assert again == suspended
    assert len(await write_side.events()) == 5


async def test_a_profile_keeps_what_is_absent_and_loses_what_is_null(write_side):
    await write_side.run("register-account", **ANDRE, bio="Hello", title="Senator", tags=["in"])

    answer = await write_side.run("update-profile", account="@andre.carson", bio=None, tags=None, title="Senator")

    *_, last = await write_side.events()
    assert last.event == ProfileUpdated(account_id=answer.outcome.id, bio=None, tags=())
    assert answer.outcome.version == 2


async def test_a_closed_account_takes_no_change(write_side):
    await write_side.run("register-account", **ANDRE)
    await write_side.run("close-account", account="@andre.carson")

    for name, fields in {
        "suspend-account": {},
        "change-handle": {"handle": "b"},
        "update-profile": {"bio": "x"},
    }.items():
        with pytest.raises(AccountAlreadyClosed):
            await write_side.run(name, account="@andre.carson", **fields)

    assert (await write_side.run("close-account", account="@andre.carson")).outcome.version == 2


async def test_the_expected_version_is_compared(write_side):
    """It is the version of the aggregate that the command answers, before the command."""
    await write_side.run("register-account", **ANDRE)
    await write_side.run("suspend-account", account="@andre.carson", expected=1)

    with pytest.raises(errors.VersionMismatch, match="Expected version 1, found 2"):
        await write_side.run("reinstate-account", account="@andre.carson", expected=1)

    updated = await write_side.run("update-profile", account="@andre.carson", bio="x", expected=1)
    assert updated.outcome.version == 2
    assert len(await write_side.events()) == 4


async def test_a_unit_of_work_keeps_what_it_touched(write_side):
    """Events are appended also when nothing refers to the aggregate any more at commit."""
    account = Account.register(
        id=uuid4(), email=EmailAddress("a@example.org"), handle=Handle("a"), external_id=None, at=write_side.clock.now()
    )

    async with write_side.units.under(context("register-account")) as uow:
        uow.accounts.add(account)
        await uow.commit(account)

    assert [each.aggregate_id for each in await write_side.events()] == [account.id]
