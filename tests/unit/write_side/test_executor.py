"""A command is carried out once, and what cannot be known is not claimed."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec import structs

from shared.errors import Unavailable
from shared.ids import TimeOrderedIds
from shared.problems import Refusal
from tests.support.clock import SettableClock
from tests.support.measures import counts
from tests.support.write_side import ANDRE, SSAF, WriteSide, invocation, memory_write_side
from write_side.adapters.memory import MemoryDatabase, MemoryTokenKey, MemoryUnitsOfWork
from write_side.domain.errors import AccountNotFound, Contention, EmailTaken, OutcomeUnknown, StaleAggregate
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Channel
from write_side.execution.limits import ExecutionLimits
from write_side.ports import Answer, Outcome, Place, Window


class FailingUnits(MemoryUnitsOfWork):
    """Units of work whose commits fail when a test says so, before or after they took effect."""

    def __init__(self, store: MemoryDatabase) -> None:
        super().__init__(store)
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.asked: list[Exception] = []
        self.attempts = 0
        self.gate: asyncio.Event | None = None

    def under(self, context):
        unit = super().under(context)
        commit, gate = unit.commit, self.gate

        async def failing_commit(of) -> Outcome:
            self.attempts += 1
            if gate:
                await gate.wait()
            if self.before:
                raise self.before.pop(0)
            outcome = await commit(of)
            if self.after:
                raise self.after.pop(0)
            return outcome

        unit.commit = failing_commit
        return unit

    async def answer_to(self, context):
        if self.asked:
            raise self.asked.pop(0)
        return await super().answer_to(context)


@pytest.fixture
def write_side() -> WriteSide:
    clock = SettableClock()
    store = MemoryDatabase(clock=clock)
    return WriteSide(units=FailingUnits(store), log=store.log, clock=clock)


@pytest.mark.parametrize("error", [StaleAggregate, Contention, Unavailable])
async def test_what_may_pass_is_tried_again(write_side, error):
    write_side.units.before = [error("once"), error("twice")]

    with counts("muster_command_retries_total", 2, command="register-account"):
        answer = await write_side.run("register-account", **ANDRE)

    assert write_side.units.attempts == 3
    assert answer.outcome.position == 2


async def test_trying_again_has_an_end(write_side):
    write_side.units.before = [Unavailable("gone") for _ in range(20)]

    with pytest.raises(Unavailable):
        await write_side.run("register-account", **ANDRE)

    assert write_side.units.attempts == ExecutionLimits().attempts
    assert await write_side.events() == []


async def test_a_refusal_is_not_tried_again(write_side):
    write_side.units.before = [EmailTaken()]

    with pytest.raises(EmailTaken):
        await write_side.run("register-account", **ANDRE)

    assert write_side.units.attempts == 1


@pytest.mark.parametrize("place", [None, Place(Window(), 1)], ids=["alone", "behind-others"])
async def test_a_lost_answer_to_commit_is_asked_for(write_side, place):
    """The command took effect: its outcome is answered, and nothing is done twice."""
    write_side.units.keep_order = True
    write_side.units.after = [OutcomeUnknown("cut")]

    answer = await write_side.executor.execute(structs.replace(invocation("register-account", **ANDRE), place=place))

    assert answer == Answer(Outcome(answer.outcome.id, 1, 2), replayed=False)
    assert write_side.units.attempts == 1
    assert len(await write_side.events()) == 2


async def test_a_commit_that_did_not_take_effect_is_said_to_be_nothing(write_side):
    """Not repeated either: once COMMIT was sent, asking is all that is done."""
    write_side.units.before = [OutcomeUnknown("cut")]

    with pytest.raises(Unavailable):
        await write_side.run("register-account", **ANDRE)

    assert write_side.units.attempts == 1
    assert await write_side.events() == []


async def test_an_outcome_nobody_can_tell_stays_unknown(write_side):
    write_side.units.after = [OutcomeUnknown("cut")]
    write_side.units.asked = [Unavailable("gone") for _ in range(20)]

    with pytest.raises(OutcomeUnknown):
        await write_side.run("register-account", key="k", **ANDRE)

    write_side.units.asked = []
    assert (await write_side.run("register-account", key="k", **ANDRE)).replayed


async def test_the_loser_of_a_race_under_one_key_answers_as_the_winner(write_side):
    """Elsewhere the same request won, and its e-mail address is what we met."""
    won = await write_side.run("register-account", key="k", **ANDRE)

    class LatePeer:
        """Stands for a transaction that claimed the key before the winner's was visible."""

        accounts = profiles = None

        async def __aenter__(self):
            raise EmailTaken

        async def __aexit__(self, *_):
            return None

    write_side.units.under = lambda _context: LatePeer()

    assert await write_side.run("register-account", key="k", **ANDRE) == Answer(won.outcome, replayed=True)
    with pytest.raises(EmailTaken):
        await write_side.run("register-account", **ANDRE)


async def test_who_gave_up_answers_as_the_winner_too(write_side):
    """Every attempt met contention, with another process that carried the same request out."""
    won = await write_side.run("register-account", key="k", **ANDRE)
    store = write_side.units._database
    outcomes, store.outcomes = store.outcomes, {}
    write_side.units.before = [Contention("busy") for _ in range(ExecutionLimits().attempts)]
    asked = write_side.units.answer_to

    async def answer_to(context):
        store.outcomes = outcomes
        return await asked(context)

    write_side.units.answer_to = answer_to

    assert await write_side.run("register-account", key="k", **ANDRE) == Answer(won.outcome, replayed=True)


async def test_without_a_key_a_refusal_is_final():
    write_side = memory_write_side()

    with pytest.raises(AccountNotFound):
        await write_side.run("close-account", account=str(uuid4()))


async def test_requests_with_one_key_run_one_after_another(write_side):
    answers = await asyncio.gather(*(write_side.run("register-account", key="k", **ANDRE) for _ in range(20)))

    assert write_side.units.attempts == 1
    assert len({answer.outcome for answer in answers}) == 1


async def test_what_waits_for_its_key_holds_no_permit(write_side):
    """Two permits, two commands under one key: a third command has its turn before they end."""
    executor = CommandExecutor(
        units=write_side.units,
        clock=write_side.clock,
        ids=TimeOrderedIds(),
        token_key=MemoryTokenKey(),
        limits=ExecutionLimits(at_once=2),
    )
    write_side.units.gate = asyncio.Event()
    waiting = [asyncio.create_task(write_side.run("register-account", key="k", by=executor, **ANDRE)) for _ in range(2)]
    await asyncio.sleep(0)
    write_side.units.gate, held = None, write_side.units.gate

    async with asyncio.timeout(30):
        other = await write_side.run("create-group", by=executor, **SSAF)
    held.set()

    assert not other.replayed
    assert sorted(answer.replayed for answer in await asyncio.gather(*waiting)) == [False, True]


@pytest.mark.parametrize(("is_bulk", "days"), [(False, 1), (True, 30)])
async def test_a_key_answers_for_as_long_as_its_channel_keeps_it(write_side, is_bulk, days):
    sent = structs.replace(invocation("register-account", key="k", **ANDRE), channel=Channel("test", is_bulk=is_bulk))
    await write_side.executor.execute(sent)

    write_side.clock.advance(timedelta(days=days, seconds=-1))
    assert (await write_side.executor.execute(sent)).replayed
    write_side.clock.advance(timedelta(seconds=1))
    with pytest.raises(Refusal, match="e-mail address is taken"):
        await write_side.executor.execute(sent)
