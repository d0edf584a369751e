"""A command is carried out once under its key, on every adapter."""

import asyncio
from datetime import timedelta

import pytest

from tests.support.write_side import ANDRE, context, race
from write_side.domain.errors import AccountNotFound, IdempotencyMismatch
from write_side.domain.references import AccountRef
from write_side.ports import AlreadyDone, Answer
from write_side.use_cases.suspend_account import SuspendAccount, suspend_account

BY_HANDLE = AccountRef.parse("@andre.carson")


async def test_the_same_key_is_carried_out_once(write_side):
    """A repeated command answers as the first time, also after its subject moved on."""
    first = await write_side.run("register-account", key="k", **ANDRE)
    await write_side.run("suspend-account", account="@andre.carson")

    again = await write_side.run("register-account", key="k", **ANDRE)

    assert again == Answer(first.outcome, replayed=True)
    assert len(await write_side.events()) == 3


async def test_a_key_belongs_to_one_command(write_side):
    await write_side.run("register-account", key="k", **ANDRE)

    with pytest.raises(IdempotencyMismatch):
        await write_side.run("suspend-account", key="k", account="@andre.carson")
    with pytest.raises(IdempotencyMismatch):
        await write_side.run("register-account", key="k", **{**ANDRE, "handle": "other"})

    assert len(await write_side.events()) == 2


async def test_a_key_belongs_to_its_caller(write_side):
    """Also where both come at once: on PostgreSQL they may share a transaction."""
    people = {name: {"email": f"{name}@example.org", "handle": name, "display_name": name} for name in ("ada", "bob")}

    first = await asyncio.gather(
        *(write_side.run("register-account", key="k", subject=name, **fields) for name, fields in people.items())
    )
    again = [await write_side.run("register-account", key="k", subject=name, **people[name]) for name in people]

    assert [answer.replayed for answer in (*first, *again)] == [False, False, True, True]
    assert [answer.outcome for answer in again] == [answer.outcome for answer in first]


async def test_a_refused_command_leaves_its_key_free(write_side):
    with pytest.raises(AccountNotFound):
        await write_side.run("suspend-account", key="k", account="@andre.carson")
    await write_side.run("register-account", **ANDRE)

    answer = await write_side.run("suspend-account", key="k", account="@andre.carson")

    assert not answer.replayed


async def test_a_key_is_forgotten_after_its_time(write_side):
    await write_side.run("register-account", key="k", **ANDRE)
    write_side.clock.advance(timedelta(days=1, seconds=1))

    answer = await write_side.run("suspend-account", key="k", account="@andre.carson")

    assert not answer.replayed


async def test_twenty_requests_with_one_key_are_one_command(write_side):
    """Also from several processes, which know nothing of one another."""
    executors = [write_side.another_executor() for _ in range(4)]
    requests = [write_side.run("register-account", key="k", by=executors[n % 4], **ANDRE) for n in range(20)]

    answers = await race(write_side, *requests)

    assert len({answer.outcome for answer in answers}) == 1
    assert sum(answer.replayed for answer in answers) == 19
    assert len(await write_side.events()) == 2


async def test_a_replay_comes_before_the_expected_version(write_side):
    """A client that repeats a command after a lost answer still expects the version from before it."""
    await write_side.run("register-account", **ANDRE)
    first = await write_side.run("suspend-account", key="k", expected=1, account="@andre.carson")

    again = await write_side.run("suspend-account", key="k", expected=1, account="@andre.carson")

    assert again == Answer(first.outcome, replayed=True)


async def test_a_key_with_an_outcome_stops_a_unit_of_work_before_it_reads(write_side):
    done = await write_side.run("register-account", key="k", **ANDRE)

    with pytest.raises(AlreadyDone) as stopped:
        await suspend_account(
            SuspendAccount(account=AccountRef.parse("@nobody")),
            uow=write_side.units.under(context("register-account", key="k", **ANDRE)),
            clock=write_side.clock,
        )

    assert stopped.value.answer == Answer(done.outcome, replayed=True)
