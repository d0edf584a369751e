"""The unit of work of a command that shares its transaction with others."""

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, Self, TypeVar
from uuid import UUID

from write_side.adapters.postgres.command_log import CommandLog
from write_side.adapters.postgres.connections.transactions import (
    TRANSACTION_LIMITS,
    PostgresTransactions,
    TransactionLimits,
)
from write_side.adapters.postgres.group_commit.group import Member
from write_side.adapters.postgres.group_commit.lanes import Lanes
from write_side.adapters.postgres.group_commit.requests import CommitRequest, LookRequest, RowSource
from write_side.adapters.postgres.repositories import GROUPS_QUEUE
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import AccountNotFound, GroupNotFound, MemberNotFound, VersionMismatch
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import ExternalId, Handle, Slug
from write_side.ports import Answer, CommandContext, Outcome, RunAgain, UnitsOfWork

A = TypeVar("A", bound=Aggregate)

_SHARE = "for share"
_IN_LINE = f"pg_try_advisory_xact_lock_shared({GROUPS_QUEUE}, hashtext(id::text))"


class GroupedUnitsOfWork:
    """Units of work in groups; what has to wait for another transaction, or changes very much, runs alone."""

    keep_order = True

    def __init__(
        self,
        *,
        transactions: PostgresTransactions,
        command_log: CommandLog,
        alone: UnitsOfWork,
        limits: TransactionLimits = TRANSACTION_LIMITS,
    ) -> None:
        """:param alone: makes units of work with transactions of their own."""
        self._alone = alone
        self._lanes = Lanes(transactions=transactions, command_log=command_log, again=self._again, limits=limits)

    def under(self, context: CommandContext, **terms: Any) -> "GroupedUnitOfWork":
        """:param terms: as `Again` has them."""
        member = Member(context)
        return GroupedUnitOfWork(member, join=partial(self._lanes.ask, member, **terms), alone=self._again)

    async def answer_to(self, context: CommandContext) -> Answer | None:
        return await self._alone.answer_to(context)

    def _again(self, **terms: Any) -> RunAgain:
        return RunAgain(partial(self.under, **terms) if any(terms.values()) else self._alone.under)


class GroupedUnitOfWork:
    """
    Joins a group with its first request: what its use case does before needs no transaction.

    :param join: has that request answered.
    """

    def __init__(self, member: Member, *, join: Callable[[Any], Any], alone: Callable[[], RunAgain]) -> None:
        self._member = member
        self._join = join
        self.alone = alone
        self._touched: list[Aggregate] = []
        self._removed: list[Aggregate] = []

    # Made when they are asked for: one that the unit of work keeps would keep that alive until garbage is searched for.
    @property
    def accounts(self) -> "GroupedAccounts":
        return GroupedAccounts(self)

    @property
    def profiles(self) -> "GroupedProfiles":
        return GroupedProfiles(self)

    @property
    def groups(self) -> "GroupedGroups":
        return GroupedGroups(self)

    @property
    def memberships(self) -> "GroupedMemberships":
        return GroupedMemberships(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._member.leave()

    async def find(self, source: RowSource, *values: object) -> Any:
        """Return the aggregate of a source that has the values, None if there is none."""
        found = await self._ask(LookRequest(source, values))
        return None if found is None else self._known(found)

    async def _ask(self, request: LookRequest | CommitRequest) -> Any:
        group = self._member.group
        return await (self._join(request) if group is None else group.ask(self._member, request))

    def add(self, aggregate: Aggregate) -> None:
        self._touched.append(aggregate)

    def remove(self, aggregate: Aggregate) -> None:
        self._removed.append(aggregate)

    async def commit(self, of: Aggregate) -> Outcome:
        expected = self._member.context.expected_version
        if expected is not None and expected != of.stored_version:
            raise VersionMismatch(expected=expected, found=of.stored_version)
        request = CommitRequest(of, touched=self._touched, removed=self._removed)
        outcome: Outcome = await self._ask(request)
        return outcome

    def _known(self, found: A) -> A:
        """Return what was loaded first, if the same is loaded again."""
        for known in self._touched:
            if type(known) is type(found) and known.id == found.id:
                return known
        self._touched.append(found)
        return found


class _Repository:
    def __init__(self, uow: GroupedUnitOfWork) -> None:
        self._uow = uow

    def add(self, aggregate: Aggregate) -> None:
        self._uow.add(aggregate)

    def remove(self, aggregate: Aggregate) -> None:
        self._uow.remove(aggregate)

    async def alone(self, *_: object, **__: object) -> NoReturn:
        """Stand for what waits for others or touches very much: the use case runs again in a transaction of its own."""
        raise self._uow.alone()


class GroupedAccounts(_Repository):
    async def get(self, ref: AccountRef) -> Account:
        return await self._one(ref, lock="")

    async def get_unchanging(self, ref: AccountRef) -> Account:
        return await self._one(ref, lock=_SHARE)

    get_exclusive = positions_of = _Repository.alone

    def erase(self, *_: object, **__: object) -> None:
        raise AssertionError("only what is held exclusively is erased")

    async def _one(self, ref: AccountRef, *, lock: str) -> Account:
        columns: dict[type, str] = {Handle: "handle_unique", ExternalId: "external_id_unique"}
        account: Account | None = await self._uow.find(
            RowSource(Account, (columns.get(type(ref.by), "id"),), lock), _value(ref)
        )
        if account is None:
            raise AccountNotFound(ref)
        return account


class GroupedProfiles(_Repository):
    async def of(self, account: Account) -> Profile:
        profile: Profile = await self._uow.find(RowSource(Profile, ("id",)), account.id)
        return profile


class GroupedGroups(_Repository):
    async def get_unchanging(self, ref: GroupRef) -> Group:
        column = "slug_unique" if isinstance(ref.by, Slug) else "id"
        group: Group | None = await self._uow.find(RowSource(Group, (column,), _SHARE, _IN_LINE), _value(ref))
        if group is None:
            raise GroupNotFound(ref)
        return group

    get_exclusive = _Repository.alone


class GroupedMemberships(_Repository):
    async def find(self, group: Group, account: Account) -> Membership | None:
        found: Membership | None = await self._uow.find(
            RowSource(Membership, ("group_id", "account_id")), group.id, account.id
        )
        return found

    async def of(self, group: Group, account: Account) -> Membership:
        if (membership := await self.find(group, account)) is None:
            raise MemberNotFound
        return membership

    all_of = groups_ever_of = end_all_of = _Repository.alone


def _value(ref: AccountRef | GroupRef) -> object:
    return ref.by if isinstance(ref.by, UUID) else ref.by.unique
