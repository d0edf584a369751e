"""Of all who are answered 200 under one key, one has carried the command out; the others are told of a replay."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

from shared.errors import Unavailable
from shared.postgres.connection import connected
from tests.support.examples import examples
from tests.support.proxy import Cut, CuttingProxy
from tests.support.write_side import WriteSide, postgres_write_side, register
from write_side.domain.errors import OutcomeUnknown
from write_side.ports import Answer

SUSPENDED = {"account": "@suspended"}
COMMANDS = {
    "register-account": {"email": "new@example.org", "handle": "new", "display_name": "P"},
    "suspend-account": SUSPENDED,
}
"""One that appends events, and one that changes nothing: its outcome is the same for all who carry it out."""


@pytest.fixture
async def elsewhere(database_url) -> AsyncIterator[WriteSide]:
    """Another process, which has carried nothing out; an account is suspended already."""
    async with postgres_write_side(database_url, grouped=True) as other:
        await register(other, "suspended")
        await other.run("suspend-account", **SUSPENDED)
        other.executor = other.another_executor()
        yield other


@asynccontextmanager
async def cut_off(
    database_url: str, cut: Cut, *, grouped: bool = True, share: float = 1, seed: int = 0
) -> AsyncIterator[tuple[CuttingProxy, WriteSide]]:
    """
    Make a process whose COMMITs are lost.

    :param share: of them.
    """
    proxy = CuttingProxy(database_url, cut=cut, share=share, seed=seed)
    async with proxy.running(), postgres_write_side(proxy.url, grouped=grouped) as write_side:
        yield proxy, write_side


def meanwhile(write_side: WriteSide, carry_out: Callable[[], Awaitable[None]]) -> None:
    """Have something carried out before a write side asks what became of a COMMIT."""
    answer_to = write_side.units.answer_to

    async def asked(context):
        await carry_out()
        return await answer_to(context)

    write_side.units.answer_to = asked


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "alone"])
async def test_a_lost_commit_is_told_from_that_of_another_process(database_url, elsewhere, grouped, name, cut):
    """Which was sent the same at once, and comes between the COMMIT and the question what became of it."""
    async with cut_off(database_url, cut, grouped=grouped) as (proxy, write_side):
        answers = []

        async def same_elsewhere():
            answers.append(await elsewhere.run(name, key="k", **COMMANDS[name]))

        meanwhile(write_side, same_elsewhere)

        answers.append(await write_side.run(name, key="k", **COMMANDS[name]))

        assert proxy.cuts == 1
        assert [each.replayed for each in answers] == [cut is not Cut.BEFORE, cut is Cut.BEFORE]
        assert answers[0].outcome == answers[1].outcome


async def test_a_process_of_the_release_before_is_another_one(database_url, elsewhere):
    """Its claims have no number."""

    async def same_elsewhere():
        await elsewhere.run("suspend-account", key="k", **SUSPENDED)
        async with connected(database_url, autocommit=True) as connection:
            await connection.execute("update command_log set claim = null where key = 'k'")

    async with cut_off(database_url, Cut.BEFORE) as (_, write_side):
        meanwhile(write_side, same_elsewhere)

        assert (await write_side.run("suspend-account", key="k", **SUSPENDED)).replayed


async def test_a_key_whose_time_is_over_is_claimed_anew(database_url, elsewhere):
    """By another one than before."""
    await elsewhere.run("suspend-account", key="k", **SUSPENDED)
    async with cut_off(database_url, Cut.AFTER) as (proxy, write_side):
        write_side.clock.advance(timedelta(days=1, seconds=1))

        answer = await write_side.run("suspend-account", key="k", **SUSPENDED)

        assert (proxy.cuts, answer.replayed) == (1, False)


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_one_has_carried_out_what_several_processes_were_sent(database_url, elsewhere, seed):
    """Whichever COMMITs are lost: that one of whom the events speak, unless it could not find out what became of it."""
    choose = random.Random(seed)
    async with AsyncExitStack() as running:
        processes = [
            await running.enter_async_context(
                cut_off(database_url, Cut.BEFORE, grouped=nth > 0, share=0.5, seed=3 * seed + nth)
            )
            for nth in range(3)
        ]
        for key in range(20):
            for proxy, _ in processes:
                proxy.when = choose.choice([Cut.BEFORE, Cut.BEFORE, Cut.LATE, Cut.AFTER])
            senders = {f"{key}-{nth}": choose.choice(processes)[1] for nth in range(5)}

            answers = await asyncio.gather(
                *(send(write_side, key, by) for by, write_side in senders.items()), return_exceptions=True
            )

            first = [by for by, each in zip(senders, answers, strict=True) if answered(each) and not each.replayed]
            told = {type(each) for each in answers}
            assert told <= {Answer, Unavailable, OutcomeUnknown}
            assert len(first) == (Answer in told) or (OutcomeUnknown in told and not first)
            if first and changes_something(key):
                assert (await elsewhere.events())[-1].metadata.correlation == first[0]
        assert sum(proxy.cuts for proxy, _ in processes)


def answered(each: Answer | BaseException) -> bool:
    return isinstance(each, Answer)


def changes_something(key: int) -> bool:
    return bool(key % 2)


async def send(write_side: WriteSide, key: int, correlation: str) -> Answer:
    registration = {"email": f"{key}@example.org", "handle": f"h{key}", "display_name": "P"}
    name, fields = ("register-account", registration) if changes_something(key) else ("suspend-account", SUSPENDED)
    return await write_side.run(name, key=str(key), correlation=correlation, **fields)
