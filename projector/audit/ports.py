"""What audits look at besides generations: the write side's state, and whatever the servers hold."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

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

    Every method raises `Unavailable` if PostgreSQL cannot be reached, and `EventLogUnsound` if it has no
    such views.
    """

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Look at one moment of it, however long that takes; nothing waits for it."""


class DatabaseTraces(Protocol):
    """Traces of people in the database; every method raises `Unavailable`."""

    async def require_readable(self) -> None:
        """:raises Unavailable: besides, there is something that may not be read."""

    async def erasure(self, account_id: UUID) -> tuple[int | None, int]:
        """Return where the account was erased, if it was, and how many events it has."""

    async def events_about(self, account_id: UUID) -> Sequence[Mapping[str, Any]]:
        """Return the events of an account, its profile and its memberships, those that are not redacted."""

    def events_about_others(self, account_id: UUID) -> AsyncIterator[Sequence[str]]:
        """Give all other events, as JSON, in portions."""

    def texts(self) -> AsyncIterator[tuple[str, Sequence[str | bytes]]]:
        """
        Give every text in every column of every table, with its place, in portions; ids are not among them.

        What is stored as bytes is given as such where it is no text.
        """

    def mentions(self, account_id: UUID) -> AsyncIterator[tuple[str, int]]:
        """Give every column of ids, but for those where an id stays, and how often the account's stands in it."""

    async def is_to_be_written_to(self, account_id: UUID) -> bool:
        """Tell whether anything is still to be delivered because of the account."""


class StoreTraces(Protocol):
    """Traces of people in the read models' server, whichever program wrote them; every method raises `Unavailable`."""

    async def require_readable(self) -> None:
        """:raises Unavailable: besides, there is something that may not be read."""

    def contents(self) -> AsyncIterator[tuple[str, Sequence[bytes]]]:
        """
        Give all values, fields or entries by the key they stand at, and all names of keys, in portions.

        A field comes before its value, a NUL between them. What stands there throughout is given at least once.
        """
