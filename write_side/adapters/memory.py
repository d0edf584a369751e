"""The write side in memory: for tests and for trying things out."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from copy import copy
from datetime import datetime
from typing import Self
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.event_log import MemoryEventLog, Metadata, RecordedEvent
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.profile import Profile
from write_side.domain.values import AccountRef, ExternalId, Handle
from write_side.ports import (
    AccountExists,
    AccountNotFound,
    AlreadyDone,
    CommandContext,
    EmailTaken,
    ExternalIdTaken,
    HandleTaken,
    IdempotencyMismatch,
    Outcome,
    StaleAggregate,
    StorageUnavailable,
    VersionMismatch,
)


class MemoryStore:
    """What a database would keep. `available` can be set to False to play one that is away."""

    def __init__(self, *, clock: Clock, log: MemoryEventLog | None = None) -> None:
        self.clock = clock
        self.log = log or MemoryEventLog()
        self.available = True
        self.accounts: dict[UUID, Account] = {}
        self.profiles: dict[UUID, Profile] = {}
        self.outcomes: dict[tuple[str, str], tuple[CommandContext, Outcome, datetime]] = {}
        self.positions: dict[tuple[str, UUID, int], int] = {}
        self.claims: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    def outcome(self, context: CommandContext) -> Outcome | None:
        if not self.available:
            raise StorageUnavailable("the store in memory was made unavailable")
        found = self.outcomes.get((context.subject, context.key))
        if found is None or found[2] <= self.clock.now():
            return None
        first, outcome, _ = found
        if (first.command, first.content) != (context.command, context.content):
            raise IdempotencyMismatch
        return outcome

    def require_unique(self, account: Account) -> None:
        others = [other for other in self.accounts.values() if other.id != account.id]
        if any(other.email.unique == account.email.unique for other in others):
            raise EmailTaken
        if any(other.handle.unique == account.handle.unique for other in others):
            raise HandleTaken
        external_id = account.external_id
        if external_id and any(other.external_id == external_id for other in others):
            raise ExternalIdTaken

    def append(self, aggregates: Iterable[Aggregate], context: CommandContext) -> int | None:
        """Append all pending events; answers the position of the last one, None if there were none."""
        position = None
        metadata = Metadata(context.command, context.subject, context.correlation, context.traceparent)
        for aggregate in aggregates:
            for version, event, at in aggregate.pending:
                position = self.positions[aggregate.kind, aggregate.id, version] = self.log.next_position
                recorded = RecordedEvent(
                    position=position,
                    event_id=uuid7(),
                    aggregate=aggregate.kind,
                    aggregate_id=aggregate.id,
                    version=version,
                    event=event,
                    metadata=metadata,
                    occurred_at=at,
                )
                self.log.append([recorded])
            aggregate.forget_pending()
        self.log.ring()
        return position


class MemoryUnitsOfWork:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def under(self, context: CommandContext) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self._store, context)

    async def outcome_of(self, context: CommandContext) -> Outcome | None:
        async with self._store.claims[context.subject, context.key]:
            return self._store.outcome(context)


class MemoryUnitOfWork:
    """Works on copies, which commit puts in place of the originals if those have not changed meanwhile."""

    def __init__(self, store: MemoryStore, context: CommandContext) -> None:
        self._store = store
        self._context = context
        self._claim = store.claims[context.subject, context.key]
        self.accounts = MemoryAccounts(store)
        self.profiles = MemoryProfiles(store)

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
        self.accounts.check()
        self.profiles.check()
        return self._store_all(of)

    def _store_all(self, of: Aggregate) -> Outcome:
        store = self._store
        appended = store.append([*self.accounts.touched, *self.profiles.touched], self._context)
        store.accounts |= {account.id: copy(account) for account in self.accounts.touched}
        store.profiles |= {profile.id: copy(profile) for profile in self.profiles.touched}
        outcome = Outcome(of.id, of.version, appended or store.positions[of.kind, of.id, of.version])
        until = store.clock.now() + self._context.keep_for
        store.outcomes[self._context.subject, self._context.key] = (self._context, outcome, until)
        return outcome


class MemoryAccounts:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.touched: list[Account] = []

    async def get(self, ref: AccountRef) -> Account:
        for account in self._store.accounts.values():
            if _names(ref, account):
                self.touched.append(found := copy(account))
                return found
        raise AccountNotFound(ref)

    async def get_unchanging(self, ref: AccountRef) -> Account:
        return await self.get(ref)

    def add(self, account: Account) -> None:
        self.touched.append(account)

    def check(self) -> None:
        for account in self.touched:
            stored = self._store.accounts.get(account.id)
            if account.stored_version == 0 and ("account", account.id, 1) in self._store.positions:
                raise AccountExists(account.id)
            if stored is not None and stored.version != account.stored_version:
                raise StaleAggregate(account.id)
            self._store.require_unique(account)


class MemoryProfiles:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.touched: list[Profile] = []

    async def of(self, account: Account) -> Profile:
        self.touched.append(found := copy(self._store.profiles[account.id]))
        return found

    def add(self, profile: Profile) -> None:
        self.touched.append(profile)

    def check(self) -> None:
        for profile in self.touched:
            stored = self._store.profiles.get(profile.id)
            if stored is not None and stored.version != profile.stored_version:
                raise StaleAggregate(profile.id)


def _names(ref: AccountRef, account: Account) -> bool:
    match ref.by:
        case Handle() as handle:
            return account.handle.unique == handle.unique
        case ExternalId() as external_id:
            return account.external_id == external_id
    return account.id == ref.by
