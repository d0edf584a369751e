"""The event log as its readers see it."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from shared.errors import Unsound
from shared.event_log.ranges import EVERYTHING, IdRange
from shared.events import Event


class EventLogUnsound(Unsound):
    """The log could skip or reorder events if it were read in this state; the message says what to mend."""


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Where an event came from. Never personal data.

    :param actor: the subject of the token with which its command was posted.
    :param token: the id of that token.
    :param mail: whether people may be written to because of it.
    """

    command: str
    actor: str
    correlation: str
    traceparent: str | None = None
    token: str | None = None
    mail: bool = True


UNKNOWN_ORIGIN = Metadata(command="", actor="", correlation="")
"""Of an event whose metadata was redacted, or cannot be read."""


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event this release cannot decode: it was written by a newer one."""

    type: str
    schema: int
    why: str


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    An event with its place in the log and in the history of its aggregate (versions start at 1, without gaps).

    :param topics: what follows it, where not all that follow the log do (see `EventTap`).
    :param stands_for: how many events of the log: itself, and those before it that a follower was not given.
    """

    position: int
    event_id: UUID
    aggregate: str
    aggregate_id: UUID
    version: int
    event: Event | UnknownEvent
    metadata: Metadata
    occurred_at: datetime
    topics: Collection[str] = ()
    stands_for: int = 1


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """The identity of one history of the log: the event at a position, and how many lead up to it."""

    event_id: UUID | None
    count: int


class Holder(NamedTuple):
    """An obstacle to reading the log further: a transaction that appended, or is about to, and has not ended."""

    position: int
    pid: int | None
    """None for a prepared transaction, which has no session any more."""
    since: datetime


class EventFollower(Protocol):
    """A session in which the log is read on and on. Every method raises `Unavailable` when the session is lost."""

    has_more: bool
    """Whether the last `read` left something out that may be read at once; of what comes later, `wait` tells."""

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        """
        Events after a position, in order, at most `limit`.

        Nothing that can still appear before the last one returned is left out. Empty: nothing can be delivered now.
        What is redacted meanwhile may come in its former state, but nothing so that is behind something redacted.
        """

    async def identity(self, *, position: int, since: int = 0) -> LogIdentity:
        """The id of the event at `position` (None if there is none) and the number of events in (since, position]."""

    async def wait(self, *, seconds: float) -> bool:
        """
        Wait until an append may have been committed, or for so many seconds; return whether one was notified.

        One that was read meanwhile need not be notified any more. The first wait of a session ends at once.
        """


class EventReader(EventFollower, Protocol):
    """One session with the log, for one caller at a time."""

    async def horizon(self) -> int:
        """Return the position up to which nothing more can appear; that of a hole at times, and 0 for an empty log."""

    async def last(self, *, until: int) -> int:
        """The position of the last event up to one; 0 if there is none."""

    def replay(self, *, after: int, until: int, within: IdRange = EVERYTHING) -> AsyncIterator[Sequence[RecordedEvent]]:
        """
        Give all events in (after, until] in order, in portions, faster than `read` does.

        What is redacted meanwhile may come in its former state, but nothing so that is behind something redacted.

        :param until: at most a horizon: what is behind it may still be preceded by something.
        :param within: only those that concern a range of ids.
        """

    async def head(self) -> int:
        """The highest committed position, 0 for an empty log. A rolled-back tail does not count."""

    async def oldest(self, *, after: int) -> datetime | None:
        """Return the time of the first committed event after a position; None if there is none."""

    async def erasure(self, *, after: int) -> int | None:
        """The position of the last committed event behind a position that erased a person; None if there is none."""

    async def holder(self, *, after: int) -> Holder | None:
        """The oldest transaction that holds up what is committed after a position, if one does."""

    def wake(self) -> None:
        """Have the `wait` that is under way end at once; the next one if none is."""


class EventLog(Protocol):
    """The append-only history of all aggregates."""

    def connect(self) -> AbstractAsyncContextManager[EventReader]:
        """
        Open a session, having checked that reading is sound.

        :raises Unavailable: it cannot be reached.
        :raises EventLogUnsound: a precondition of reading without loss does not hold.
        """
