"""The limits of reading in Redis."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisReadLimits:
    """What is read at a time, what may wait, and how soon a silent or evicting server is noticed (in seconds)."""

    trips: int = 2
    """Under way; one is being read while Redis works on the other."""
    batches: int = 3
    """Transactions of one trip."""
    fields: int = 500
    """Fields and entries of one batch, so that no writer waits long for it; a query of more travels alone."""
    queued_fields: int = 20_000
    """What may wait; more could not be answered in any reasonable time."""
    queued_lists: int = 10
    """How many times as much lists may have waiting: a page takes its time, and that many are still in time."""
    change_blocks: int = 64
    """Of the change feed, looked through for one answer, however few of their items fit."""
    switches: int = 3
    """How often one batch follows a pointer that moves."""
    attempts: int = 3
    """How often a record is read that moves between two trips; it is not there only if nothing else moved."""
    silence: float = 2.0
    """After so long without a message the peer is asked for one, and after as long again it is given up."""
    first_pause: float = 0.05
    """Before the first attempt to hear announcements again; each later pause is twice as long."""
    longest_pause: float = 1.0
    eviction_check: float = 5.0
