"""Deletes idempotency keys whose time is over."""

import structlog

from shared.runtime.retry import repeat
from write_side.adapters.postgres.command_log import PURGED_AT_ONCE, CommandLog
from write_side.adapters.postgres.connections.failures import translated
from write_side.adapters.postgres.connections.transactions import PostgresTransactions

PURGE_EVERY_SECONDS = 60.0

log = structlog.get_logger()


async def purge_expired_keys(transactions: PostgresTransactions, command_log: CommandLog) -> None:
    """Delete expired keys in small batches, every minute for as long as the service lives."""

    async def purge() -> None:
        while await _purge_batch(transactions, command_log) == PURGED_AT_ONCE:
            pass

    await repeat(purge, every=PURGE_EVERY_SECONDS, delay=PURGE_EVERY_SECONDS, after_error=_later)


def _later(error: Exception) -> float:
    log.warning("expired keys are purged later", error=type(error).__name__)
    return PURGE_EVERY_SECONDS


async def _purge_batch(transactions: PostgresTransactions, command_log: CommandLog) -> int:
    session = await transactions.open()
    try:
        with translated():
            purged = await command_log.purge(session)
        await transactions.commit(session)
    finally:
        await transactions.end(session)
    return purged
