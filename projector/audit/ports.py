"""What audits look at besides the generations: PostgreSQL's state."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from projector.audit.drift import Counterpart, Fields
from shared.event_log import RecordedEvent


class Snapshot(Protocol):
    """PostgreSQL at one moment: the log and the state that belongs to it."""

    async def events(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The events of this moment behind a position, in order, at most `limit`; gaps are passed over."""

    def rows(self, counterpart: Counterpart) -> AsyncIterator[tuple[str, Fields]]:
        """Every row of a published view, streamed, with the id of its record."""

    async def rows_of(self, counterpart: Counterpart, ids: Collection[str]) -> Mapping[str, Fields]:
        """The rows of a few records by their ids; those that there are."""

    async def head(self) -> int:
        """The position of the last event."""

    async def some(self, aggregate: str, *, after: int, limit: int) -> Sequence[str]:
        """The ids of a few aggregates of a kind that changed behind a position of the log."""


class Directory(Protocol):
    """
    The write side's state, as it publishes it.

    Whatever is asked raises `Unavailable` if PostgreSQL cannot be reached, and `EventLogUnsound` if it has no
    such views.
    """

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Look at one moment of it, however long that takes; nobody waits for it."""
