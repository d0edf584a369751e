"""The unit of work on PostgreSQL."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils import uuid7

from shared.events import type_of
from shared.events.upcasters import schema_of
from shared.postgres.pipeline import Row, Statement
from write_side.adapters.postgres.command_log import FINGERPRINT_KEY, CommandLog, last_event
from write_side.adapters.postgres.connections.failures import translated
from write_side.adapters.postgres.connections.transactions import PostgresTransactions
from write_side.adapters.postgres.mapping import TABLES, mapped_copy
from write_side.adapters.postgres.repositories import (
    PostgresAccounts,
    PostgresGroups,
    PostgresMemberships,
    PostgresProfiles,
)
from write_side.adapters.postgres.tables import event_log, profiles
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import AccountExists, GroupExists, StaleAggregate, VersionMismatch
from write_side.ports import AlreadyDone, Answer, CommandContext, Outcome

Notify = Callable[[], None]

# Ordered, so that the positions of one command follow the order in which its events happened.
_APPEND = insert(event_log).returning(event_log.c.position, sort_by_parameter_order=True)
_REDACT = text("""
    select redact_events_of(:account, position) from event_log
     where aggregate = 'account' and aggregate_id = :account and version = :version""")
_WAIT_FOR_KEY = text("set local lock_timeout = '2s'")


async def _claim(session: AsyncSession, command_log: CommandLog, context: CommandContext) -> None:
    """
    Claim a key, once no other transaction holds it.

    :raises AlreadyDone: the command was carried out under this key.
    :raises IdempotencyMismatch: another command was.
    """
    if command_log.fingerprint_key is None:
        [[command_log.fingerprint_key]] = await _rows_of(session, FINGERPRINT_KEY)
    if not await _rows_of(session, command_log.claim([context], waiting=True)):
        [row] = await _rows_of(session, command_log.find([context]))
        raise command_log.found(row, context)


async def _rows_of(session: AsyncSession, statement: Statement) -> Sequence[Row]:
    sql, parameters = statement
    result = await (await session.connection()).exec_driver_sql(sql, parameters)
    return result.all() if result.returns_rows else ()


class PostgresUnitsOfWork:
    keep_order = False

    def __init__(self, *, transactions: PostgresTransactions, command_log: CommandLog, notify: Notify) -> None:
        """:param notify: called after each commit, to wake the readers of the event log."""
        self._transactions = transactions
        self._command_log = command_log
        self._notify = notify

    def under(self, context: CommandContext) -> "PostgresUnitOfWork":
        return PostgresUnitOfWork(
            context, transactions=self._transactions, command_log=self._command_log, notify=self._notify
        )

    async def answer_to(self, context: CommandContext) -> Answer | None:
        session = await self._transactions.open()
        try:
            with translated():
                await session.execute(_WAIT_FOR_KEY)
                # A claim, not a look: it waits for the holder of the key, so that "nothing" is certain.
                await _claim(session, self._command_log, context)
        except AlreadyDone as done:
            return done.answer
        finally:
            await self._transactions.end(session)
        return None


class PostgresUnitOfWork:
    def __init__(
        self, context: CommandContext, *, transactions: PostgresTransactions, command_log: CommandLog, notify: Notify
    ) -> None:
        self._context = context
        self._transactions = transactions
        self._command_log = command_log
        self._notify = notify
        self._touched: list[Aggregate] = []

    async def __aenter__(self) -> Self:
        self._session = await self._transactions.open()
        self.accounts = PostgresAccounts(self._session, self._touched)
        self.profiles = PostgresProfiles(self._session, self._touched)
        self.groups = PostgresGroups(self._session, self._touched)
        self.memberships = PostgresMemberships(self._session, self._touched)
        try:
            with translated():
                await _claim(self._session, self._command_log, self._context)
        except BaseException:
            await self._transactions.end(self._session)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transactions.end(self._session)

    async def commit(self, of: Aggregate) -> Outcome:
        expected = self._context.expected_version
        if expected is not None and expected != of.stored_version:
            raise VersionMismatch(expected=expected, found=of.stored_version)
        self._session.add_all(mapped_copy(each) for each in self._touched if type(each) in TABLES)
        with translated():
            await self._session.flush()
            await self._let_go_of_the_erased()
            await self._append(of)
            await self._redact()
            last = last_event(of, [each for each in self._touched if each.pending])
            [(_, _, position)] = await _rows_of(self._session, self._command_log.fill([(self._context, of, last)]))
        await self._transactions.commit(self._session)
        self._notify()
        return Outcome(of.id, of.version, position)

    async def _let_go_of_the_erased(self) -> None:
        """Delete accounts once nothing refers to them: their memberships are gone, their profiles go now."""
        for account in self.accounts.erased:
            await self._session.execute(delete(profiles).where(profiles.c.id == account.id))
            await self._session.delete(account)
            await self._session.flush()

    async def _redact(self) -> None:
        """Redact all events of erased accounts, up to and without the event that says so."""
        for account in self.accounts.erased:
            await self._session.execute(_REDACT, {"account": account.id, "version": account.version})

    async def _append(self, of: Aggregate) -> None:
        """Append all pending events in one insert."""
        if not (rows := [row for aggregate in self._touched for row in event_rows(aggregate, self._context)]):
            return
        try:
            with translated():
                await self._session.execute(_APPEND, rows)
        except StaleAggregate:
            # Another transaction stored this version of it before; if it is version 1, the id is one that was used up.
            raise (_used_up(of) if of.stored_version == 0 else StaleAggregate(of.id)) from None


def _used_up(aggregate: Aggregate) -> Exception:
    """Return the error for an id that has a history; where no caller chose it, another attempt gets another."""
    return {"account": AccountExists, "group": GroupExists}.get(aggregate.kind, StaleAggregate)(aggregate.id)


def event_rows(aggregate: Aggregate, context: CommandContext) -> list[dict[str, Any]]:
    """Return what is appended to the event log for an aggregate."""
    metadata = context.metadata()
    return [
        {
            "event_id": str(uuid7()),
            "aggregate": aggregate.kind,
            "aggregate_id": aggregate.id,
            "version": version,
            "type": type_of(event),
            "schema": schema_of(type_of(event)),
            "data": event,
            "metadata": metadata,
            "occurred_at": at,
        }
        for version, event, at in aggregate.pending
    ]
