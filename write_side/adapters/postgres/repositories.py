"""The repositories on a session."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, cast, delete, func, select, text
from sqlalchemy import Text as TextColumn
from sqlalchemy.ext.asyncio import AsyncSession

from write_side.adapters.postgres.connections.failures import translated
from write_side.adapters.postgres.mapping import MAPPED
from write_side.adapters.postgres.tables import accounts, groups, memberships, profiles
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import AccountNotFound, GroupNotFound, MemberNotFound
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import ExternalId, Handle, Slug

A = TypeVar("A", bound=Aggregate)

GROUPS_QUEUE = 0x47525053
"""Keeps these advisory locks, of two numbers each, apart from others. Two groups may share one: they wait in vain."""

# As the index has it, see the migration of erasure.
_POSITIONS = text("""
    select position from event_log where aggregate in ('account', 'profile') and aggregate_id = :id
     union all
    select position from event_log where aggregate = 'membership' and data ->> 'account_id' = :account
     order by position
""")
_GROUPS_EVER = text("""
    select distinct data ->> 'group_id' from event_log
     where aggregate = 'membership' and data ->> 'account_id' = :account
""")


class Repository:
    """
    Aggregates of one kind on a session.

    It keeps what it touched: SQLAlchemy's identity map is weak, and an aggregate that it forgets takes its events
    along.
    """

    def __init__(self, session: AsyncSession, touched: list[Aggregate]) -> None:
        self._session = session
        self._touched = touched

    def add(self, aggregate: Aggregate) -> None:
        self._touched.append(aggregate)

    def remove(self, aggregate: Aggregate) -> None:
        self._session.sync_session.delete(aggregate)

    async def _find(self, query: Select[A]) -> A | None:
        with translated():
            aggregate = (await self._session.execute(query)).scalar_one_or_none()
        if aggregate is not None:
            self._touched.append(aggregate)
        return aggregate

    async def _one(self, query: Select[A], missing: Exception) -> A:
        if (aggregate := await self._find(query)) is None:
            raise missing
        return aggregate


class PostgresAccounts(Repository):
    def __init__(self, session: AsyncSession, touched: list[Aggregate]) -> None:
        super().__init__(session, touched)
        self.erased: list[Account] = []

    async def get(self, ref: AccountRef) -> Account:
        return await self._one(select(MAPPED[Account]).where(_names_account(ref)), AccountNotFound(ref))

    async def get_unchanging(self, ref: AccountRef) -> Account:
        query = select(MAPPED[Account]).where(_names_account(ref)).with_for_update(read=True)
        return await self._one(query, AccountNotFound(ref))

    async def get_exclusive(self, ref: AccountRef) -> Account:
        return await self._one(
            select(MAPPED[Account]).where(_names_account(ref)).with_for_update(), AccountNotFound(ref)
        )

    async def positions_of(self, account: Account) -> Sequence[int]:
        with translated():
            found = await self._session.execute(_POSITIONS, {"id": account.id, "account": str(account.id)})
        return list(found.scalars())

    def erase(self, account: Account) -> None:
        self.erased.append(account)
        self._touched.remove(account)
        self._touched.append(account)  # the erasure is recorded after all else


class PostgresProfiles(Repository):
    async def of(self, account: Account) -> Profile:
        query = select(MAPPED[Profile]).where(profiles.c.id == account.id)
        with translated():
            profile: Profile = (await self._session.execute(query)).scalar_one()
        self._touched.append(profile)
        return profile


class PostgresGroups(Repository):
    async def get_unchanging(self, ref: GroupRef) -> Group:
        await self._queue(func.pg_advisory_xact_lock_shared, ref)
        return await self._one(
            select(MAPPED[Group]).where(_names_group(ref)).with_for_update(read=True), GroupNotFound(ref)
        )

    async def get_exclusive(self, ref: GroupRef) -> Group:
        await self._queue(func.pg_advisory_xact_lock, ref)
        return await self._one(select(MAPPED[Group]).where(_names_group(ref)).with_for_update(), GroupNotFound(ref))

    async def _queue(self, lock: Callable[..., Any], ref: GroupRef) -> None:
        """
        Stand in line for the group. It is the row's lock that counts; this one only keeps the order.

        A transaction that asks for a row FOR SHARE overtakes those that wait for it FOR UPDATE, so that a group to
        which ten clients went on adding members could not be deleted. Advisory locks are given in the order asked for.
        """
        number = func.hashtext(cast(groups.c.id, TextColumn))
        with translated():
            await self._session.execute(select(lock(GROUPS_QUEUE, number)).where(_names_group(ref)))


class PostgresMemberships(Repository):
    async def find(self, group: Group, account: Account) -> Membership | None:
        within = (memberships.c.group_id == group.id, memberships.c.account_id == account.id)
        return await self._find(select(MAPPED[Membership]).where(*within))

    async def of(self, group: Group, account: Account) -> Membership:
        if (membership := await self.find(group, account)) is None:
            raise MemberNotFound
        return membership

    async def all_of(self, account: Account) -> Sequence[Membership]:
        query = (
            select(MAPPED[Membership]).where(memberships.c.account_id == account.id).order_by(memberships.c.group_id)
        )
        with translated():
            found: Sequence[Membership] = (await self._session.execute(query.with_for_update())).scalars().all()
        self._touched.extend(found)
        return found

    async def groups_ever_of(self, account: Account) -> Sequence[UUID]:
        with translated():
            found = await self._session.execute(_GROUPS_EVER, {"account": str(account.id)})
        return sorted(map(UUID, found.scalars()))

    async def end_all_of(self, group: Group) -> int:
        with translated():
            ended: Any = await self._session.execute(delete(memberships).where(memberships.c.group_id == group.id))
        return int(ended.rowcount)


def _names_account(ref: AccountRef) -> ColumnElement[bool]:
    match ref.by:
        case Handle() as handle:
            return accounts.c.handle_unique == handle.unique
        case ExternalId() as external_id:
            return accounts.c.external_id_unique == external_id.unique
    return accounts.c.id == ref.by


def _names_group(ref: GroupRef) -> ColumnElement[bool]:
    if isinstance(ref.by, Slug):
        return groups.c.slug_unique == ref.by.unique
    return groups.c.id == ref.by
