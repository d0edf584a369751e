"""Registrations while `muster react` writes to those who register, and while it does not run."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from shared.runtime.retry import poll
from tests.benchmarks.generated_log import GeneratedLog
from tests.benchmarks.load_generator import Received
from tests.benchmarks.results import BenchResult
from tests.benchmarks.scenario import Scale
from tests.benchmarks.scenarios.writes import registering
from tests.benchmarks.servers import LEVEL_SECONDS, BenchedMuster, running_muster, running_servers
from tests.benchmarks.sides import Contender, in_turns
from tests.support.stack import Child

NAME = "register-reacting"
_IS_DONE = """
    select position >= (select max(position) from event_log)
       and not exists (select from deliveries where due_at <= now())
      from reaction_checkpoint"""


async def reacting(_: None, size: Scale, __: Collection[str]) -> list[BenchResult]:
    """Two of all servers, in turns; the CPU of the one that reacts is that of all mails of its turn, too."""
    with _muster() as reacts, _muster() as silent, silent.stack.supervisor_asleep():
        silent.stack.kill(Child.REACT)
        sides = {
            "with": Contender(
                what="registrations, each with its mail, written to a folder",
                run=_with_mails(reacts),
                servers=reacts.pids("write", "postgres", "(react)", "(projector)"),
            ),
            "without": Contender(
                what="the same, and `muster react` does not run",
                run=_registering(silent),
                servers=silent.pids("write", "postgres", "(projector)"),
            ),
        }
        turns = await in_turns(sides, rounds=size.rounds, seconds=size.seconds, warm_up=size.warm_up)
    return [turns.compared(NAME, "registrations a second over HTTP, 64 connections, with `muster react`", *sides)]


@contextmanager
def _muster() -> Iterator[BenchedMuster]:
    """On servers of its own, with one person."""
    with running_servers() as servers:
        generated = servers.load(GeneratedLog(people=1, groups=1, events=0))
        with running_muster(servers, generated) as muster:
            yield muster


def _registering(muster: BenchedMuster):
    return registering(muster.stack.addresses.write, muster.stack.headers, mails=True)


def _with_mails(muster: BenchedMuster):
    """Register for so many seconds, and return once all mails are written."""
    register = _registering(muster)

    async def is_done() -> bool:
        [(done,)] = muster.servers.statement(_IS_DONE)
        return bool(done)

    async def run(seconds: float) -> Received:
        got: Received = await register(seconds)
        async with asyncio.timeout(LEVEL_SECONDS):  # mails give way to all else
            await poll(0.5).until(bool, is_done)  # the question is dear
        return got

    return run
