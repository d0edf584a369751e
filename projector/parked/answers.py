"""What operators read of parked events; commands read it without all that finds it out."""

from datetime import datetime
from urllib.parse import quote

import msgspec

from projector.declaring.documents import Key


class ParkedDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A document that is behind.

    :param parts: of the projection in which it is behind, where that has parts.
    :param stale_since: when the first event occurred that waits for it.
    :param waiting: the positions of all that do, in order.
    :param failed: which of them cannot be folded; the others wait behind them.
    """

    projection: str
    kind: str
    id: str
    stale_since: datetime
    waiting: tuple[int, ...]
    failed: tuple["FailedEvent", ...]
    parts: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Name the projection, or its part if it is behind in one."""
        return self.parts[0] if len(self.parts) == 1 else self.projection


class FailedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that cannot be folded: the class of the error, and the code that met it (empty: to be tried)."""

    position: int
    error: str
    code: str


class SkippedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that has no effect on some documents, and who decided so."""

    projection: str
    position: int
    documents: tuple[Key, ...]
    error: str | None
    reason: str
    by: str
    at: datetime


class ParkedReport(msgspec.Struct, frozen=True, kw_only=True):
    """All documents that are behind, and all events that were skipped."""

    parked: tuple[ParkedDocument, ...]
    skipped: tuple[SkippedEvent, ...]


class ParkedReply(ParkedReport, frozen=True, kw_only=True):
    """
    The reply to a request to retry or to skip: what is parked, or was skipped, of the documents with the id.

    :param settled: whether a projector has tried; if not it will, as soon as one feeds.
    """

    settled: bool


def path_of(projection: str, id: str) -> str:
    """Return the path of what is parked for a document."""
    return f"/parked/{quote(projection, safe='')}/{quote(id, safe=':')}"
