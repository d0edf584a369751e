"""What an event does to every document of a list, and how far it has come."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from projector.declaring.documents import Key, Kind
from projector.declaring.index_entries import Entry, SortedEntry
from shared.read_model.positions import FanOutProgress


class FanOut(NamedTuple):
    """
    A change that an event makes to every document of a list, however many they are.

    The engine brings it to them in chunks, while other events go on. A document that is touched meanwhile is brought up
    to date first, so that each one takes up all events in their order; readers see a position before the event until
    the last is done.

    :param by: the list, see `GenerationKeys.sorted_entries`.
    :param prefix: of the entries concerned.
    :param kind: of the documents concerned. Every document of the kind may be offered to `revise`.
    :param key: the document that an entry leads to.
    :param revise: what the event makes of the document with an id: None to drop it, itself if it is not concerned. The
        event may have been parked: then it comes late, and maybe twice, to documents that reflect events after it.
    :param stands: whether the document with an id, which may have been dropped, stands at an entry of the list.
    :param reindexes: whether what is revised changes its place in lists or unique entries.
    """

    by: str
    prefix: bytes
    kind: Kind[Any]
    key: Callable[[bytes], Key]
    revise: Callable[[str, Any], Any]
    stands: Callable[[str, Any, bytes], bool]
    reindexes: bool

    def is_ahead(self, entry: Entry, *, done: bytes | None) -> bool:
        """Whether an entry is still to come, after the last one that was `done`."""
        if not isinstance(entry, SortedEntry) or entry.by != self.by:
            return False
        return entry.entry.startswith(self.prefix) and (done is None or entry.entry > done)


class RunningFanOut(NamedTuple):
    """How far a fan-out under way has come, what it does, and when its event occurred."""

    progress: FanOutProgress
    fan_out: FanOut
    occurred_at: datetime

    @property
    def position(self) -> int:
        return self.progress.position

    def is_reflected_at(self, position: int) -> bool:
        """
        Whether a document that reflects a position has taken up the event.

        The event of a retried fan-out lies behind what most documents reflect. Those that have changed since the
        fan-out began were caught up first; the others take it up, once more if they have done so already.
        """
        return position > self.progress.since if self.progress.since else position >= self.position
