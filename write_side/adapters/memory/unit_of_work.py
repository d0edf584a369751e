"""The unit of work in memory."""

from typing import Self

from write_side.adapters.memory.database import MemoryDatabase
from write_side.adapters.memory.repositories import (
    MemoryAccounts,
    MemoryGroups,
    MemoryMemberships,
    MemoryProfiles,
)
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import VersionMismatch
from write_side.ports import AlreadyDone, Answer, CommandContext, Outcome


class MemoryUnitsOfWork:
    keep_order = False

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def under(self, context: CommandContext) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self._database, context)

    async def answer_to(self, context: CommandContext) -> Answer | None:
        async with self._database.claims[context.subject, context.key]:
            return self._database.answer(context)


class MemoryUnitOfWork:
    """
    Works on copies, which commit puts in place of the originals if those have not changed meanwhile.

    It locks nothing: a use case that relied on something that changed finds out at commit, and is stale.
    """

    def __init__(self, database: MemoryDatabase, context: CommandContext) -> None:
        self._database = database
        self._context = context
        self._claim = database.claims[context.subject, context.key]
        self.accounts = MemoryAccounts(database)
        self.profiles = MemoryProfiles(database)
        self.groups = MemoryGroups(database)
        self.memberships = MemoryMemberships(database)

    async def __aenter__(self) -> Self:
        await self._claim.acquire()
        try:
            answer = self._database.answer(self._context)
        except BaseException:
            self._claim.release()
            raise
        if answer is not None:
            self._claim.release()
            raise AlreadyDone(answer)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._claim.release()

    async def commit(self, of: Aggregate) -> Outcome:
        expected = self._context.expected_version
        if expected is not None and expected != of.stored_version:
            raise VersionMismatch(expected=expected, found=of.stored_version)
        repositories = (self.accounts, self.profiles, self.groups, self.memberships)
        for repository in repositories:
            repository.check()
        touched = [each for one in repositories for each in one.touched]
        # An erasure is recorded after all else.
        touched.sort(key=lambda each: each in self.accounts.erased)
        appended = self._database.append(touched, self._context)
        for repository in repositories:
            repository.store()
        for account in self.accounts.erased:
            self._database.redact(account, by=self._database.positions[account.kind, account.id, account.version])
        return self._keep(Outcome(of.id, of.version, appended or self._database.positions[of.kind, of.id, of.version]))

    def _keep(self, outcome: Outcome) -> Outcome:
        until = self._database.clock.now() + self._context.keep_for
        self._database.outcomes[self._context.subject, self._context.key] = (self._context, outcome, until)
        return outcome
