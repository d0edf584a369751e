"""Which commands share a transaction, and when it begins."""

import asyncio
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from write_side.adapters.postgres.command_log import CommandLog
from write_side.adapters.postgres.connections.transactions import PostgresTransactions, TransactionLimits
from write_side.adapters.postgres.group_commit.group import Again, CommandGroup, Member
from write_side.adapters.postgres.group_commit.requests import CommitRequest, LookRequest
from write_side.domain.errors import OutcomeUnknown


@dataclass(frozen=True, slots=True)
class WaitingCommand:
    """
    A command that waits for its group.

    :param most: commands in that group; 0 for as many as can be.
    :param behind: what it could not have in an earlier group: it shares its group with others behind the same only if
        all of them share what it is.
    """

    member: Member
    most: int
    behind: Hashable
    shared: bool

    @property
    def is_new(self) -> bool:
        """Whether it has not left a group before."""
        return not self.most and self.behind is None


class Lanes:
    """
    Puts commands into groups.

    A lane that is free begins with all that wait at the end of the turn of the event loop, so that a lone client waits
    for no other; while no lane is free, those that come gather.
    """

    def __init__(
        self,
        *,
        transactions: PostgresTransactions,
        command_log: CommandLog,
        again: Again,
        limits: TransactionLimits,
    ) -> None:
        """:param again: tells a command to run again."""
        self._transactions = transactions
        self._command_log = command_log
        self._again = again
        self._limits = limits
        self._waiting: list[WaitingCommand] = []
        self._is_due = False
        self._running: dict[asyncio.Task[None], CommandGroup] = {}

    async def ask(
        self,
        member: Member,
        request: LookRequest | CommitRequest,
        *,
        most: int = 0,
        behind: Hashable = None,
        shared: bool = False,
    ) -> Any:
        """Have a command's first request answered, in a group with room for the command."""
        answer = member.wait(request)
        self._waiting.append(WaitingCommand(member, most, behind, shared))
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._begin)
        return await answer

    def _begin(self) -> None:
        self._is_due = False
        while len(self._running) < self._limits.lanes:
            self._waiting = [candidate for candidate in self._waiting if candidate.member.is_waiting]
            if not (chosen := list(_chosen(self._free(), most=self._limits.most))):
                return
            group = CommandGroup(
                [each.member for each in chosen],
                command_log=self._command_log,
                again=self._again,
                limits=self._limits,
            )
            task = asyncio.create_task(self._run(group))
            self._running[task] = group
            task.add_done_callback(self._ended)

    def _free(self) -> Iterator[WaitingCommand]:
        """Yield those that need not wait until others of their window are stored, whose effects they are to see."""
        under_way = {window for group in self._running.values() for window in group.windows}
        for candidate in self._waiting:
            place = candidate.member.context.place
            if place is None or place.window not in under_way:
                yield candidate

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._begin()

    async def _run(self, group: CommandGroup) -> None:
        try:
            async with self._transactions.pipelined() as transaction:
                self._let_others_get_ready(group)
                await group.carry_out(transaction)
        except asyncio.CancelledError:
            group.end(OutcomeUnknown("the process stops"))
            raise
        except Exception as error:  # noqa: BLE001 - each command that asks for something gets it
            group.end(error)
        else:
            group.end(None)

    def _let_others_get_ready(self, group: CommandGroup) -> None:
        """Have those behind a group get ready, unless others wait anyway: what is ready takes memory."""
        if sum(each.member.is_waiting for each in self._waiting) < self._limits.most:
            for window in group.windows:
                window.on_its_way()


def _chosen(waiting: Iterable[WaitingCommand], *, most: int) -> Iterator[WaitingCommand]:
    """Yield those that go together: those that had to leave a group before, then the others, each as they came."""
    shared: dict[Hashable, bool] = {}
    count = 0
    for candidate in sorted(waiting, key=lambda each: each.is_new):
        if not (shared.get(candidate.behind, True) and (candidate.shared or candidate.behind not in shared)):
            continue
        most = min(most, candidate.most or most)
        if count >= most:
            return
        if candidate.behind is not None:
            shared[candidate.behind] = candidate.shared
        count += 1
        yield candidate
