"""One transaction that several commands share."""

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Protocol

from prometheus_client import Histogram

from shared.errors import Unavailable
from shared.event_log.adapters.postgres import NOTIFY_LAST
from shared.postgres.pipeline import Row, Statement
from write_side.adapters.postgres.command_log import FINGERPRINT_KEY, CommandLog, key_of
from write_side.adapters.postgres.connections.transactions import PipelinedTransaction, TransactionLimits
from write_side.adapters.postgres.group_commit.holds import Holds
from write_side.adapters.postgres.group_commit.looks import Looks
from write_side.adapters.postgres.group_commit.requests import ROWS, Change, CommitRequest, LookRequest
from write_side.adapters.postgres.group_commit.writes import Writes, clashes, refusal
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import OutcomeUnknown
from write_side.ports import AlreadyDone, CommandContext, NotYet, Outcome, Place, Window

_SIZES = Histogram(
    "muster_group_commands", "Commands that shared a transaction.", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
_BEFORE_WRITES: Statement = ("savepoint before_writes", ())
_UNDO_WRITES: Statement = ("rollback to savepoint before_writes", ())


class Again(Protocol):
    """Make the error that has a use case run again."""

    def __call__(self, *, most: int = 0, behind: Hashable = None, shared: bool = False) -> Exception:
        """
        Without parameters it runs alone, where it may wait.

        :param most: commands in its next group.
        :param behind: what it could not have, because another command of this group has it.
        :param shared: whether others may have that as well.
        """


class Member:
    """
    One command: its use case runs, or waits for an answer, or has left.

    It has no group before its first request.
    """

    def __init__(self, context: CommandContext) -> None:
        self.context = context
        self.group: CommandGroup | None = None
        self.request: LookRequest | CommitRequest | None = None
        self.is_gone = False
        self._answer: asyncio.Future[Any] | None = None

    @property
    def is_running(self) -> bool:
        return self.request is None and not self.is_gone

    @property
    def is_waiting(self) -> bool:
        """Whether it is to have a group."""
        return self.group is None and not self.is_gone

    def wait(self, request: LookRequest | CommitRequest) -> asyncio.Future[Any]:
        self.request, self._answer = request, asyncio.get_running_loop().create_future()
        return self._answer

    def take(self, answer: Any) -> None:
        """Go on with an answer; an exception is raised where the use case waits."""
        self.request = None
        if self._answer is None or self._answer.done():  # its command was cancelled, and waits for no answer
            return
        if isinstance(answer, Exception):
            self._answer.set_exception(answer)
        else:
            self._answer.set_result(answer)

    async def leave(self) -> None:
        """Go, and wait until the transaction is over: what was not committed is rolled back then, and its key free."""
        self.is_gone, self.request = True, None
        if self.group is not None:
            await self.group.is_left()
            self.group = None  # which has this member: both would stay until garbage is searched for


class CommandGroup:
    """
    The commands of one transaction, and what they ask of it.

    What they ask for is sent once all of them wait, so that one trip serves them all: keys and first looks, then all
    writes, then all outcomes with COMMIT. None waits for another one of the group, or for another transaction.
    """

    def __init__(
        self, members: Sequence[Member], *, command_log: CommandLog, again: Again, limits: TransactionLimits
    ) -> None:
        self._members = members
        places = [member.context.place for member in members]
        self.windows = frozenset(place.window for place in places if place is not None)
        """Those whose other commands have to wait until this transaction is over."""
        self._patience = limits.seconds
        self._command_log = command_log
        self._again = again
        self._holds: Holds[Member] = Holds()
        self._replayed: set[Member] = set()
        self._owners: Sequence[Member] = ()
        self._others: Sequence[Member] = ()
        self._moved = asyncio.Event()
        self._over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        for member in members:
            member.group = self
        _SIZES.observe(len(members))

    async def ask(self, member: Member, request: LookRequest | CommitRequest) -> Any:
        """Have a request answered together with those of the others."""
        if self._over.done():
            raise self._why(request, self._over.result())
        answer = member.wait(request)
        self._moved.set()
        return await answer

    async def is_left(self) -> None:
        """Go on without a command that is gone, and return once the transaction is over."""
        self._moved.set()
        await asyncio.shield(self._over)

    def end(self, error: Exception | None) -> None:
        """Tell all that still ask for something that the transaction is over, if it was not before."""
        if self._over.done():
            return
        self._over.set_result(error)
        for member in self._members:
            if member.request is not None:
                member.take(self._why(member.request, error))

    async def carry_out(self, transaction: PipelinedTransaction) -> None:
        """Answer all members, and store what they commit."""
        self._transaction = transaction
        requests = await self._requests()
        if not requests:
            return
        self._keyless = list(requests)
        self._reached = {window: window.next for window in self.windows}
        while looks := _only_looks(requests):
            plan = Looks(looks.values())
            results = await self._trip(*plan.statements())
            await self._turn_away()
            await self._give(looks, plan, results)
            requests = await self._requests()
        await self._commit(requests)

    async def _requests(self) -> dict[Member, LookRequest | CommitRequest]:
        """Wait until no use case runs, and return what each member asks for."""
        try:
            async with asyncio.timeout(self._patience):
                while any(member.is_running for member in self._members):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise Unavailable("a use case took too long") from None
        return {member: member.request for member in self._members if member.request is not None}

    async def _trip(self, *statements: Statement) -> Sequence[Sequence[Row]]:
        """Send statements; the keys of all are claimed in front of the first."""
        claims = await self._claims()
        return self._claimed(await self._transaction.trip(*claims, *statements))

    async def _claims(self) -> Sequence[Statement]:
        """Return what claims the keys of those that have none yet."""
        if self._keyless and self._command_log.fingerprint_key is None:
            [[[self._command_log.fingerprint_key]]] = await self._transaction.trip(FINGERPRINT_KEY)
        contexts = [member.context for member in self._keyless]
        return [self._command_log.claim(contexts, waiting=False)] if contexts else []

    def _claimed(self, results: Sequence[Sequence[Row]]) -> Sequence[Sequence[Row]]:
        """Take up which keys were claimed, if any were to be; return the other results."""
        if not (members := self._keyless):
            return results
        claimed, *others = results
        keys = {(subject, key) for subject, key in claimed}
        self._owners = [member for member in members if key_of(member.context) in keys]
        self._others = [member for member in members if key_of(member.context) not in keys]
        self._keyless = []
        return others

    async def _turn_away(self, *undo: Statement) -> None:
        """Tell those whose keys are not free what was done under them; where it is not known yet, they wait alone."""
        members, self._others = self._others, ()
        if not members:
            return
        find = self._command_log.find([member.context for member in members])
        *_, rows = await self._transaction.trip(*undo, find)
        found = {(subject, key): row for row in rows for subject, key in [row[:2]]}
        for member in members:
            row = found.get(key_of(member.context))
            error = self._again() if row is None else self._command_log.found(row, member.context)
            if isinstance(error, AlreadyDone):
                self._replayed.add(member)
            member.take(error)

    async def _give(self, looks: Mapping[Member, LookRequest], plan: Looks, results: Sequence[Sequence[Row]]) -> None:
        """Answer looks with what the statements of their plan returned."""
        plan.take(results)
        if questions := list(plan.questions()):
            plan.take_answers(await self._transaction.trip(*questions))
        for member, look in looks.items():
            if member.request is look:
                member.take(self._found(member, look, plan))

    def _found(self, member: Member, look: LookRequest, plan: Looks) -> Aggregate | Exception | None:
        if plan.is_held(look):
            return self._again()
        if (row := plan.row(look)) is None:
            return None
        kind = look.source.kind
        aggregate: Aggregate = ROWS[kind].aggregate(row)
        shared = bool(look.source.lock)
        if not self._holds.take(member, (kind, aggregate.id), shared=shared):
            return self._again(behind=(kind, aggregate.id), shared=shared)
        return aggregate

    async def _commit(self, requests: Mapping[Member, LookRequest | CommitRequest]) -> None:
        """Store what is in no conflict, and refuse the rest, so that one conflict does not cost all."""
        commits: Mapping[Member, CommitRequest] = {
            member: each
            for member, each in requests.items()
            if isinstance(each, CommitRequest) and self._may(member, each)
        }
        while commits := self._in_order(commits):
            writes = Writes({member: (member.context, commit) for member, commit in commits.items()}, self._command_log)
            if await self._is_stored(writes, commits):
                self._take_up(writes.outcomes())
                return
            if self._others:  # they wrote under keys that are not theirs
                await self._turn_away(_UNDO_WRITES)
            else:
                await self._refuse(writes.refused())
            commits = {member: commit for member, commit in commits.items() if member.request is commit}

    async def _is_stored(self, writes: Writes[Member], commits: Collection[Member]) -> bool:
        """Send all writes and COMMIT, and give up the keys of those that do not write."""
        self._keyless = [member for member in self._keyless if member in commits]
        claims = await self._claims()
        others = [member.context for member in self._owners if member not in commits]
        release = [self._command_log.release(others)] if others else []
        results = await self._transaction.store(
            *release,
            _BEFORE_WRITES,
            *writes.statements(),
            claims=claims,
            keys=len(self._keyless),
            hints=[NOTIFY_LAST] if writes.events else [],
        )
        writes.take(self._claimed(results), is_stored=self._transaction.is_stored)
        return self._transaction.is_stored

    def _take_up(self, outcomes: Mapping[Member, Outcome]) -> None:
        """Answer those whose commands are stored; the transaction is over."""
        for window, number in self._reaches.items():
            window.next = max(window.next, number)
        for member, outcome in outcomes.items():
            member.take(outcome)
        self.end(None)

    def _may(self, member: Member, commit: CommitRequest) -> bool:
        """Claim what a member stores; have it run again where another one stores that, or takes its unique value."""
        for what in commit.claims():
            if not self._holds.take(member, what, shared=False):
                member.take(self._again(behind=what))
                return False
        return True

    async def _refuse(self, refused: Mapping[Member, Change]) -> None:
        """Undo all writes, and tell some members what theirs are in conflict with."""
        if not refused:
            raise AssertionError("all is stored, and yet not committed")
        _, *answers = await self._transaction.trip(_UNDO_WRITES, *clashes(refused.values()))
        for (member, change), rows in zip(refused.items(), answers, strict=True):
            member.take(refusal(change, rows) or self._again())

    def _in_order(self, commits: Mapping[Member, CommitRequest]) -> Mapping[Member, CommitRequest]:
        """Leave out what is in a window behind something that neither was settled when it looked nor is stored now."""
        reached = self._reaches = dict(self._reached)
        in_order = {}
        for member in self._members:
            if member not in commits and member not in self._replayed:
                continue
            if not _is_next(member.context.place, reached):
                member.take(NotYet())
            elif member in commits:
                in_order[member] = commits[member]
        return in_order

    def _why(self, request: LookRequest | CommitRequest, error: Exception | None) -> Exception:
        if isinstance(error, OutcomeUnknown) and isinstance(request, CommitRequest):
            return OutcomeUnknown(str(error))
        if isinstance(error, OutcomeUnknown | Unavailable):
            return Unavailable(str(error))
        # A conflict or a defect of one of them: in ever smaller groups, and at last alone, it meets no other.
        return self._again(most=len(self._members) // 2)


def _only_looks(requests: Mapping[Member, LookRequest | CommitRequest]) -> dict[Member, LookRequest]:
    return {member: request for member, request in requests.items() if isinstance(request, LookRequest)}


def _is_next(place: Place | None, reached: dict[Window, int]) -> bool:
    """Whether no place before it is missing; if so, its window is reached up to there."""
    if place is None:
        return True
    if place.number != reached[place.window]:
        return False
    reached[place.window] += 1
    return True
