"""The records of a fold that goes on to where nothing has been projected yet."""

from collections.abc import Collection, Iterator, Sequence

from projector.audit.verify.fold import Fold
from projector.folding.errors import EventNotFoldable
from projector.folding.projection import Key
from shared.event_log import RecordedEvent


class RecordsAhead:
    """
    Folds on behind the checkpoint, as the projector will: what cannot be folded is put aside with all it would write.

    The fold is of no use to others afterwards.
    """

    def __init__(self, fold: Fold) -> None:
        self.position = fold.position
        self._fold = fold
        self._keys = set(fold.concerned)
        self._aside = {key.id for key in self._keys}

    @property
    def aside(self) -> Collection[str]:
        return self._aside

    def advance(self, events: Sequence[RecordedEvent]) -> None:
        """
        Fold what follows in the log.

        :raises EventNotFoldable: an event does not tell what it would write.
        """
        for recorded in events:
            self._take(recorded)
            self.position = recorded.position

    def ids(self, kind: str) -> Iterator[str]:
        return (key.id for key in self._fold if key.kind == kind and self.body(*key) is not None)

    def body(self, kind: str, id: str) -> bytes | None:
        try:
            return self._fold.body(kind, id)
        except EventNotFoldable:  # an event of its group, say: its turn will be parked
            self._aside.add(id)
            return None

    def _take(self, recorded: RecordedEvent) -> None:
        written = self._fold.written(recorded)
        if not self._keys.isdisjoint(written):
            self._put_aside(written)
            return
        try:
            self._fold.advance([recorded])
        except EventNotFoldable:
            self._put_aside(written)

    def _put_aside(self, keys: Collection[Key]) -> None:
        self._keys |= set(keys)
        self._aside |= {key.id for key in keys}
