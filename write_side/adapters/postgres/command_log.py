"""Which command was carried out under which idempotency key, and how it ended."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import Clock
from shared.postgres.pipeline import Row, Statement
from write_side.adapters.postgres.rows import as_json
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import IdempotencyMismatch
from write_side.ports import AlreadyDone, Answer, CommandContext, Outcome

# Two keys may share a lock, an advisory one of two numbers: one of them waits, or gives way, in vain.
_CLAIM = """
    insert into command_log (subject, key, command, fingerprint, claim, expires_at)
    select subject, key, command, decode(fingerprint, 'hex'), claim, expires_at
      from json_to_recordset(%s::json)
           as r(subject text, key text, command text, fingerprint text, claim bigint, expires_at timestamptz)
     where {locked}(1262836051, hashtext(subject || chr(10) || key)) is not {failed}
    on conflict (subject, key) do update
       set command = excluded.command, fingerprint = excluded.fingerprint, claim = excluded.claim,
           expires_at = excluded.expires_at, outcome_id = null, outcome_version = null, outcome_position = null
     where command_log.expires_at <= %s
    returning subject, key"""
_WAIT_AND_CLAIM = _CLAIM.format(locked="pg_advisory_xact_lock", failed="null")
_TRY_TO_CLAIM = _CLAIM.format(locked="pg_try_advisory_xact_lock", failed="false")
_THESE = "(subject, key) in (select * from unnest(%s::text[], %s::text[]))"
_FIND = f"""
    select subject, key, fingerprint, claim, outcome_id, outcome_version, outcome_position
      from command_log where {_THESE}"""  # noqa: S608
_RELEASE = f"delete from command_log where {_THESE}"  # noqa: S608
FILL = """
    update command_log c set outcome_id = r.id, outcome_version = r.version, outcome_position = e.position
      from json_to_recordset(%s::json)
           as r(subject text, key text, id uuid, version integer, aggregate text, last uuid, at integer)
      join event_log e on e.aggregate = r.aggregate and e.aggregate_id = r.last and e.version = r.at
     where c.subject = r.subject and c.key = r.key and c.outcome_position is null
    returning c.subject, c.key, c.outcome_position"""
_PURGE = text("""
    delete from command_log where (subject, key) in (
        select subject, key from command_log where expires_at <= :now
         order by expires_at limit :limit for update skip locked)""")
PURGED_AT_ONCE = 500
FINGERPRINT_KEY: Statement = ("select fingerprint_key from installation", ())

Key = tuple[str, str]
"""Subject and key."""

LastEvent = tuple[str, UUID, int]
"""An event by its aggregate, the id and the version of that."""


def last_event(of: Aggregate, changed: Sequence[Aggregate]) -> LastEvent:
    """
    Return the last event of a command: its position is the outcome's.

    :param changed: the aggregates whose events are appended, in this order; if there are none, nothing has changed.
    """
    last = changed[-1] if changed else of
    return last.kind, last.id, last.version


class CommandLog:
    """Keys are claimed before anything else: of two transactions with one key, the second waits for the first."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self.fingerprint_key: bytes | None = None
        """The database's own key; it is read before the first statement is made."""

    def claim(self, contexts: Sequence[CommandContext], *, waiting: bool) -> Statement:
        """
        Claim keys; the rows are those that could be claimed.

        :param waiting: for transactions that hold one; else such a key is left out.
        """
        now = self._clock.now()
        rows = [
            {
                "subject": context.subject,
                "key": context.key,
                "command": context.command,
                "fingerprint": self._fingerprint(context).hex(),
                "claim": context.claim,
                "expires_at": now + context.keep_for,
            }
            for context in contexts
        ]
        return _WAIT_AND_CLAIM if waiting else _TRY_TO_CLAIM, (as_json(rows), now)

    def find(self, contexts: Sequence[CommandContext]) -> Statement:
        """Find what is kept under keys, for `found`."""
        return _FIND, _columns(contexts)

    def found(self, row: Row, context: CommandContext) -> Exception:
        """Return why a key cannot be claimed: `AlreadyDone`, or `IdempotencyMismatch`."""
        _, _, fingerprint, claim, *outcome = row
        same = hmac.compare_digest(fingerprint, self._fingerprint(context))
        if not same:
            return IdempotencyMismatch()
        return AlreadyDone(Answer(Outcome(*outcome), replayed=claim != context.claim))

    def fill(self, ends: Iterable[tuple[CommandContext, Aggregate, LastEvent]]) -> Statement:
        """
        Keep outcomes, in the transaction that claimed their keys; the rows are the keys, each with its position.

        :param ends: commands, each with the aggregate whose id and version it answers, and the last event it appended.
        """
        rows = [
            {
                "subject": context.subject,
                "key": context.key,
                "id": of.id,
                "version": of.version,
                "aggregate": aggregate,
                "last": aggregate_id,
                "at": version,
            }
            for context, of, (aggregate, aggregate_id, version) in ends
        ]
        return FILL, (as_json(rows),)

    def release(self, contexts: Sequence[CommandContext]) -> Statement:
        """Give up keys that were claimed in this transaction."""
        return _RELEASE, _columns(contexts)

    async def purge(self, session: AsyncSession) -> int:
        """Delete some of the expired keys; says how many."""
        result: Any = await session.execute(_PURGE, {"now": self._clock.now(), "limit": PURGED_AT_ONCE})
        return int(result.rowcount)

    def _fingerprint(self, context: CommandContext) -> bytes:
        """Tell commands apart without keeping what they say: a keyed hash (RFC 2104) under the database's own key."""
        if self.fingerprint_key is None:
            raise RuntimeError("the key of the fingerprints was not read")
        return hmac.digest(self.fingerprint_key, context.command.encode() + b"\n" + context.content, hashlib.sha256)


def key_of(context: CommandContext) -> Key:
    return context.subject, context.key


def _columns(contexts: Sequence[CommandContext]) -> Sequence[Sequence[str]]:
    return [context.subject for context in contexts], [context.key for context in contexts]
