"""Forgets idempotency keys whose time is over."""

import asyncio

import structlog

from write_side.adapters.postgres.command_log import PURGED_AT_ONCE, CommandLog
from write_side.adapters.postgres.failures import translated
from write_side.adapters.postgres.transactions import PostgresTransactions

PURGE_EVERY_SECONDS = 60.0

log = structlog.get_logger()


async def purge_now_and_then(transactions: PostgresTransactions, command_log: CommandLog) -> None:
    """Delete expired keys in small batches, for as long as the service lives."""
    while True:
        await asyncio.sleep(PURGE_EVERY_SECONDS)
        try:
            while await _purge_once(transactions, command_log) == PURGED_AT_ONCE:
                pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round may succeed, and commands go on
            log.warning("expired keys are purged later", error=type(error).__name__)


async def _purge_once(transactions: PostgresTransactions, command_log: CommandLog) -> int:
    session = await transactions.open()
    try:
        with translated():
            purged = await command_log.purge(session)
        await transactions.commit(session)
    finally:
        await transactions.end(session)
    return purged
