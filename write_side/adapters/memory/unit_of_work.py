"""The unit of work in memory."""

from typing import Self

from write_side.adapters.memory.repositories import (
    MemoryAccounts,
    MemoryGroups,
    MemoryMemberships,
    MemoryProfiles,
)
from write_side.adapters.memory.store import MemoryDatabase
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import VersionMismatch
from write_side.ports import AlreadyDone, CommandContext, Outcome


class MemoryUnitsOfWork:
    def __init__(self, store: MemoryDatabase) -> None:
        self._store = store

    def under(self, context: CommandContext) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self._store, context)

    async def outcome_of(self, context: CommandContext) -> Outcome | None:
        async with self._store.claims[context.subject, context.key]:
            return self._store.outcome(context)


class MemoryUnitOfWork:
    """
    Works on copies, which commit puts in place of the originals if those have not changed meanwhile.

    It locks nothing: a use case that relied on something that changed finds out at commit, and is stale.
    """

    def __init__(self, store: MemoryDatabase, context: CommandContext) -> None:
        self._store = store
        self._context = context
        self._claim = store.claims[context.subject, context.key]
        self.accounts = MemoryAccounts(store)
        self.profiles = MemoryProfiles(store)
        self.groups = MemoryGroups(store)
        self.memberships = MemoryMemberships(store)

    async def __aenter__(self) -> Self:
        await self._claim.acquire()
        try:
            outcome = self._store.outcome(self._context)
        except BaseException:
            self._claim.release()
            raise
        if outcome is not None:
            self._claim.release()
            raise AlreadyDone(outcome)
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
        appended = self._store.append(touched, self._context)
        for repository in repositories:
            repository.store()
        for account in self.accounts.erased:
            self._store.redact(account, by=self._store.positions[account.kind, account.id, account.version])
        return self._keep(Outcome(of.id, of.version, appended or self._store.positions[of.kind, of.id, of.version]))

    def _keep(self, outcome: Outcome) -> Outcome:
        until = self._store.clock.now() + self._context.keep_for
        self._store.outcomes[self._context.subject, self._context.key] = (self._context, outcome, until)
        return outcome
