"""The event log as operators look through it: the newest events first, a page at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from shared.event_log import RecordedEvent, UnknownEvent
from shared.event_log.ports import Metadata
from shared.events import EVENTS, Redacted, type_of

SEARCHED = 20_000
"""Positions that are looked through at once for what no index knows: a type, or a correlation."""

TYPES = tuple(sorted(map(type_of, EVENTS)))
AGGREGATES = ("account", "group", "membership", "profile")


class LogQuery(NamedTuple):
    """
    A question about the log.

    :param before: the position before which the page begins; None for its end.
    :param aggregate: an account with its profile and memberships, a group, or a membership.
    """

    before: int | None = None
    aggregate: UUID | None = None
    type: str | None = None
    correlation: str | None = None
    limit: int = 50

    @property
    def is_search(self) -> bool:
        """Whether no index leads to what is asked for."""
        return self.aggregate is None and bool(self.type or self.correlation)


class LogPage(NamedTuple):
    """
    Some events, the newest first.

    :param next_before: where the next page begins; None where there is nothing more.
    """

    events: Sequence[RecordedEvent]
    next_before: int | None


class LogPages(Protocol):
    """
    Reads what is committed; of events that are appended just now, one may come below those of a page that was read.

    Every method raises `Unavailable`.
    """

    async def page(self, query: LogQuery) -> LogPage:
        """Read a page; a search looks through `SEARCHED` positions, and may find nothing in them."""

    async def event(self, position: int) -> RecordedEvent | None:
        """Read one event."""


class LoggedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    An event of the log.

    :param fields: the names of what it says.
    :param data: what it says, for tokens with the scope `profiles:read.private`; null for others.
    :param erased_by: the position of the erasure that has left nothing of it but its type.
    :param unknown: why this release cannot read it.
    """

    position: int
    event_id: UUID
    type: str
    aggregate: str
    aggregate_id: UUID
    version: int
    occurred_at: datetime
    metadata: Metadata
    fields: Sequence[str] = ()
    data: Mapping[str, Any] | None = None
    erased_by: int | None = None
    unknown: str | None = None


class LoggedEvents(msgspec.Struct, frozen=True, kw_only=True):
    """
    A page of the log, the newest event first.

    :param next_before: what `before` is for the next page, which may hold nothing where a type or a correlation is
        searched; null at the beginning of the log.
    """

    items: Sequence[LoggedEvent]
    next_before: int | None


def logged(recorded: RecordedEvent, *, private: bool) -> LoggedEvent:
    """:param private: whether what an event says may be seen."""
    event = recorded.event
    said = {} if isinstance(event, UnknownEvent | Redacted) else _said(event)
    return LoggedEvent(
        position=recorded.position,
        event_id=recorded.event_id,
        type=type_in_log(recorded),
        aggregate=recorded.aggregate,
        aggregate_id=recorded.aggregate_id,
        version=recorded.version,
        occurred_at=recorded.occurred_at,
        metadata=recorded.metadata,
        fields=tuple(said),
        data=said if private and said else None,
        erased_by=event.by if isinstance(event, Redacted) else None,
        unknown=event.why if isinstance(event, UnknownEvent) else None,
    )


def type_in_log(recorded: RecordedEvent) -> str:
    """Return the type of an event as it was appended."""
    match recorded.event:
        case UnknownEvent(type=name) | Redacted(was=name):
            return name
        case event:
            return type_of(event)


def _said(event: msgspec.Struct) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(event)
    return {name: value for name, value in said.items() if name != "type"}
