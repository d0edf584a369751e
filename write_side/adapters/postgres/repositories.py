"""
The repositories on a session.

They keep what they touched: SQLAlchemy's identity map is weak, and an aggregate that it forgets takes its events along.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from write_side.adapters.postgres.failures import translated
from write_side.adapters.postgres.tables import accounts, profiles
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.profile import Profile
from write_side.domain.references import AccountRef
from write_side.domain.values import ExternalId, Handle
from write_side.ports import AccountNotFound


class PostgresAccounts:
    def __init__(self, session: AsyncSession, touched: list[Aggregate]) -> None:
        self._session = session
        self._touched = touched

    async def get(self, ref: AccountRef) -> Account:
        return await self._one(select(Account).where(_names(ref)), ref)

    async def get_unchanging(self, ref: AccountRef) -> Account:
        return await self._one(select(Account).where(_names(ref)).with_for_update(read=True), ref)

    def add(self, account: Account) -> None:
        self._session.add(account)
        self._touched.append(account)

    async def _one(self, query: Select[Any], ref: AccountRef) -> Account:
        with translated():
            account: Account | None = (await self._session.execute(query)).scalar_one_or_none()
        if account is None:
            raise AccountNotFound(ref)
        self._touched.append(account)
        return account


class PostgresProfiles:
    def __init__(self, session: AsyncSession, touched: list[Aggregate]) -> None:
        self._session = session
        self._touched = touched

    async def of(self, account: Account) -> Profile:
        query = select(Profile).where(profiles.c.id == account.id)
        with translated():
            profile: Profile = (await self._session.execute(query)).scalar_one()
        self._touched.append(profile)
        return profile

    def add(self, profile: Profile) -> None:
        self._session.add(profile)
        self._touched.append(profile)


def _names(ref: AccountRef) -> ColumnElement[bool]:
    match ref.by:
        case Handle() as handle:
            return accounts.c.handle_unique == handle.unique
        case ExternalId() as external_id:
            return accounts.c.external_id_unique == external_id.unique
    return accounts.c.id == ref.by
