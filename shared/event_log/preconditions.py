"""What must hold of the database before the event log is appended to or read."""

from collections.abc import Sequence
from typing import Any

from shared.event_log.ports import EventLogUnsound
from shared.postgres import session
from shared.postgres.session import Finding

FSYNC = "fsync is on"


NO_EVENT_LOG = "the database has no event log: run `muster migrate`"

PRECONDITIONS = """
    select not pg_is_in_recovery(),
           current_setting('fsync')::bool,
           (select count(*) = 3 from pg_trigger
             where tgrelid = 'event_log'::regclass and tgenabled = 'A'
               and tgname in ('announce_append', 'event_log_is_immutable', 'event_log_is_not_truncated')),
           (select seqcache = 1 and not seqcycle and seqincrement = 1 from pg_sequence
             where seqrelid = 'event_log_position_seq'::regclass),
           (select case when is_called then last_value else 0 end from event_log_position_seq)
               >= (select coalesce(max(position), 0) from event_log)"""
"""One row of booleans, in the order of `findings`."""


def findings(row: Sequence[Any]) -> list[Finding]:
    """Put the answer to `PRECONDITIONS` into words."""
    primary, fsync, triggers, sequence, ahead = row
    return [
        Finding("PostgreSQL is the primary", primary, "advisory locks are not replicated: connect to the primary"),
        Finding(FSYNC, fsync, "a crash could lose what was committed: set fsync = on and restart PostgreSQL"),
        Finding(
            "the event log's triggers are enabled always",
            triggers,
            "alter table event_log enable always trigger each of announce_append, event_log_is_immutable and "
            "event_log_is_not_truncated",
        ),
        Finding(
            "positions are drawn one by one",
            sequence,
            "alter sequence event_log_position_seq increment 1 cache 1 no cycle",
        ),
        Finding(
            "the sequence is not behind the log",
            ahead,
            "after a restore: select setval('event_log_position_seq', (select max(position) from event_log))",
        ),
    ]


def require_all(row: Sequence[Any], *, allow_unsafe: bool = False) -> None:
    """
    :param row: the answer to `PRECONDITIONS`.
    :param allow_unsafe: accept a server without `fsync`.
    :raises EventLogUnsound: some do not hold; the message names each with its hint.
    """
    asked = [each for each in findings(row) if not (allow_unsafe and each.name == FSYNC)]
    session.require_all(asked, EventLogUnsound)
