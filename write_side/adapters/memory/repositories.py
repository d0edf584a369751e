"""The repositories in memory."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import copy
from operator import attrgetter
from typing import Generic, TypeVar
from uuid import UUID

from write_side.adapters.memory.database import MemoryDatabase
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import (
    AccountExists,
    AccountNotFound,
    EmailTaken,
    ExternalIdTaken,
    GroupExists,
    GroupNotFound,
    HandleTaken,
    MemberNotFound,
    SlugTaken,
    StaleAggregate,
)
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import ExternalId, Handle, Slug

A = TypeVar("A", bound=Aggregate)


class Copies(Generic[A]):
    """Gives out copies and keeps them, until commit compares them with the originals and puts them in their place."""

    def __init__(self, originals: dict[Hashable, A], *, key: Callable[[A], Hashable] = attrgetter("id")) -> None:
        """:param key: under what an original is kept; no two live ones share it."""
        self._originals = originals
        self._key = key
        self._removed: set[Hashable] = set()
        self.touched: list[A] = []

    def add(self, aggregate: A) -> None:
        self.touched.append(aggregate)

    def remove(self, aggregate: A) -> None:
        self._removed.add(self._key(aggregate))

    def check(self) -> None:
        """:raises StaleAggregate: an original is not what it was when it was copied, is gone, or is there by now."""
        for aggregate in self.touched:
            original = self._originals.get(self._key(aggregate))
            found = (original.id, original.version) if original else (aggregate.id, 0)
            if found != (aggregate.id, aggregate.stored_version):
                raise StaleAggregate(aggregate.id)

    def store(self) -> None:
        for aggregate in self.touched:
            self._originals[self._key(aggregate)] = copy(aggregate)
        for gone in self._removed:
            del self._originals[gone]

    def _copy(self, original: A | None) -> A | None:
        if original is None:
            return None
        self.touched.append(found := copy(original))
        return found

    def _found(self, fits: Callable[[A], bool]) -> A | None:
        return self._copy(next(filter(fits, self._originals.values()), None))

    @property
    def _changed(self) -> Iterable[A]:
        return (each for each in self.touched if each.pending)

    def _others(self, aggregate: A) -> Iterable[A]:
        return (other for other in self._originals.values() if other.id != aggregate.id)


class MemoryAccounts(Copies[Account]):
    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database.accounts)
        self._had_events = database.had_events
        self._profiles = database.profiles
        self._positions_of = database.positions_of
        self.erased: list[Account] = []

    async def get(self, ref: AccountRef) -> Account:
        if (account := self._found(lambda each: _names_account(ref, each))) is None:
            raise AccountNotFound(ref)
        return account

    get_unchanging = get_exclusive = get

    async def positions_of(self, account: Account) -> Sequence[int]:
        return self._positions_of(account)

    def erase(self, account: Account) -> None:
        self.remove(account)
        self.erased.append(account)

    def store(self) -> None:
        super().store()
        for account in self.erased:
            del self._profiles[account.id]

    def check(self) -> None:
        for account in self._changed:
            if account.stored_version == 0 and self._had_events(account):
                raise AccountExists(account.id)
            self._require_unique(account)
        super().check()

    def _require_unique(self, account: Account) -> None:
        for other in self._others(account):
            if other.email.unique == account.email.unique:
                raise EmailTaken
            if other.handle.unique == account.handle.unique:
                raise HandleTaken
            if other.external_id and other.external_id == account.external_id:
                raise ExternalIdTaken


class MemoryProfiles(Copies[Profile]):
    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database.profiles)

    async def of(self, account: Account) -> Profile:
        self.touched.append(found := copy(self._originals[account.id]))
        return found


class MemoryGroups(Copies[Group]):
    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database.groups)
        self._had_events = database.had_events

    async def get_unchanging(self, ref: GroupRef) -> Group:
        if (group := self._found(lambda each: names_group(ref, each))) is None:
            raise GroupNotFound(ref)
        return group

    get_exclusive = get_unchanging

    def check(self) -> None:
        for group in self._changed:
            if group.stored_version == 0 and self._had_events(group):
                raise GroupExists(group.id)
            self._require_unique(group)
        super().check()

    def _require_unique(self, group: Group) -> None:
        for other in self._others(group):
            if other.slug.unique == group.slug.unique:
                raise SlugTaken
            if other.external_id and other.external_id == group.external_id:
                raise ExternalIdTaken


class MemoryMemberships(Copies[Membership]):
    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database.memberships, key=attrgetter("group_id", "account_id"))
        self._groups_ever_of = database.groups_ever_of
        self._ended: dict[UUID, set[Hashable]] = {}
        self._all: dict[UUID, set[Hashable]] = {}

    async def find(self, group: Group, account: Account) -> Membership | None:
        return self._copy(self._originals.get((group.id, account.id)))

    async def of(self, group: Group, account: Account) -> Membership:
        if (membership := await self.find(group, account)) is None:
            raise MemberNotFound
        return membership

    async def all_of(self, account: Account) -> Sequence[Membership]:
        self._all[account.id] = keys = self._of_account(account.id)
        return [copied for key in keys if (copied := self._copy(self._originals[key]))]

    async def groups_ever_of(self, account: Account) -> Sequence[UUID]:
        return self._groups_ever_of(account)

    async def end_all_of(self, group: Group) -> int:
        ended = self._ended[group.id] = self._of(group.id)
        self._removed |= ended
        return len(ended)

    def check(self) -> None:
        super().check()
        if any(ended != self._of(group_id) for group_id, ended in self._ended.items()):
            raise StaleAggregate("a member joined or left the group while it was being deleted")
        if any(found != self._of_account(account_id) for account_id, found in self._all.items()):
            raise StaleAggregate("the account joined or left a group while it was being erased")

    def _of(self, group_id: UUID) -> set[Hashable]:
        return {key for key, each in self._originals.items() if each.group_id == group_id}

    def _of_account(self, account_id: UUID) -> set[Hashable]:
        return {key for key, each in self._originals.items() if each.account_id == account_id}


def _names_account(ref: AccountRef, account: Account) -> bool:
    match ref.by:
        case Handle() as handle:
            return account.handle.unique == handle.unique
        case ExternalId() as external_id:
            return account.external_id == external_id
    return account.id == ref.by


def names_group(ref: GroupRef, group: Group) -> bool:
    if isinstance(ref.by, Slug):
        return group.slug.unique == ref.by.unique
    return group.id == ref.by
