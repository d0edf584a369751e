"""Which command was carried out under which idempotency key, and how it ended."""

import hashlib
import hmac
from typing import Any

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import Clock
from write_side.adapters.postgres.tables import command_log, installation
from write_side.domain.errors import IdempotencyMismatch
from write_side.ports import AlreadyDone, CommandContext, Outcome

_ROW = (command_log.c.subject == bindparam("subject_"), command_log.c.key == bindparam("key_"))
_NEW = insert(command_log)
_CLAIM = _NEW.on_conflict_do_update(
    index_elements=["subject", "key"],
    set_={name: _NEW.excluded[name] for name in ("command", "fingerprint", "expires_at")},
    where=command_log.c.expires_at <= bindparam("now"),
).returning(command_log.c.key)
_FIND = select(command_log).where(*_ROW)
_FILL = update(command_log).where(*_ROW)
_PURGE = text("""
    delete from command_log where (subject, key) in (
        select subject, key from command_log where expires_at <= :now
         order by expires_at limit :limit for update skip locked)""")
PURGED_AT_ONCE = 500


class CommandLog:
    """Keys are claimed before anything else: of two transactions with one key, the second waits for the first."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._fingerprint_key: bytes | None = None

    async def claim(self, session: AsyncSession, context: CommandContext) -> None:
        """
        :raises AlreadyDone: the command was carried out under this key.
        :raises IdempotencyMismatch: another command was.
        """
        fingerprint = await self._fingerprint(session, context)
        now = self._clock.now()
        row = {
            "subject": context.subject,
            "key": context.key,
            "command": context.command,
            "fingerprint": fingerprint,
            "expires_at": now + context.keep_for,
        }
        claimed = (await session.execute(_CLAIM, {**row, "now": now})).first()
        if claimed is None:
            await self._raise_found(session, context, fingerprint)

    async def fill(self, session: AsyncSession, context: CommandContext, outcome: Outcome) -> None:
        """Keep the outcome, in the transaction that claimed the key."""
        values = {"outcome_id": outcome.id, "outcome_version": outcome.version, "outcome_position": outcome.position}
        await session.execute(_FILL, {**_keys(context), **values})

    async def purge(self, session: AsyncSession) -> int:
        """Delete some of the expired keys; says how many."""
        result: Any = await session.execute(_PURGE, {"now": self._clock.now(), "limit": PURGED_AT_ONCE})
        return int(result.rowcount)

    async def _raise_found(self, session: AsyncSession, context: CommandContext, fingerprint: bytes) -> None:
        found = (await session.execute(_FIND, _keys(context))).one()
        if not hmac.compare_digest(found.fingerprint, fingerprint):
            raise IdempotencyMismatch
        raise AlreadyDone(Outcome(found.outcome_id, found.outcome_version, found.outcome_position))

    async def _fingerprint(self, session: AsyncSession, context: CommandContext) -> bytes:
        """Tell commands apart without keeping what they say: a keyed hash (RFC 2104) under the database's own key."""
        if self._fingerprint_key is None:
            self._fingerprint_key = (await session.execute(select(installation.c.fingerprint_key))).scalar_one()
        message = context.command.encode() + b"\n" + context.content
        return hmac.digest(self._fingerprint_key, message, hashlib.sha256)


def _keys(context: CommandContext) -> dict[str, str]:
    return {"subject_": context.subject, "key_": context.key}
