"""How a document should stand in the store."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from projector.audit.verify.fold import DocumentState, Fold
from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry, SortedEntry
from projector.declaring.projection import Projection
from projector.folding.codec import DocumentCodec
from projector.folding.index_changes import Indexer
from shared.read_model.keys import VARIANTS
from shared.read_model.ordering import IndexRow
from shared.read_model.positions import FanOutProgress

_pack = msgspec.msgpack.Encoder().encode


class Expected(NamedTuple):
    """All that should be there of a document in one of its states."""

    full: bytes | None
    """Sealed."""
    packed: bytes | None
    """The index row, in MessagePack."""
    index_row: IndexRow | None
    entries: Collection[Entry]
    tolerated: Collection[Entry] = frozenset()
    """What may lead to it, to another document, or nowhere."""

    @property
    def variants(self) -> list[str]:
        """Those that should be there."""
        stored = zip(VARIANTS, (self.packed, self.full), strict=True)
        return [variant for variant, each in stored if each is not None]


ABSENT = Expected(None, None, None, frozenset())


class Expectations:
    """
    The documents and entries that should be there, by a fold at a position and the fan-outs that are under way then.

    A fan-out that a retried event began is not among them: it is behind what documents reflect.
    """

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._projection: Projection = fold.projection
        self._codecs = {kind.name: DocumentCodec(kind) for kind in fold.projection.kinds}
        self._indexer = Indexer(fold.projection)

    def of(self, key: Key, fan_outs: Sequence[FanOutProgress] = ()) -> list[Expected]:
        """
        Whatever would be right; the last is what the document will be in the end.

        A fan-out that is under way may have come to it or not. What it has passed by, it has come to.
        """
        states = self._fold.states(key, since=fan_outs[0].position if fan_outs else None)
        expected = [(state, self._expected(key, state)) for state in states]
        return [each for state, each in expected if not _was_passed_by(state, each, fan_outs)]

    def final(self, key: Key, fan_outs: Sequence[FanOutProgress] = ()) -> Expected:
        """Return the document once every fan-out has come to it."""
        return self.of(key, fan_outs)[-1]

    def _expected(self, key: Key, state: DocumentState) -> Expected:
        if (record := state.record) is None:
            return ABSENT
        row, stands = self._indexer.change(key, None, record)
        tolerated = self._tolerated(key, stands.keys())
        return Expected(
            full=self._codecs[key.kind].seal(record, position=state.position, stale_since=self._fold.queue.mark(key)),
            packed=None if row is None else _pack(row),
            index_row=row,
            entries=stands.keys() - tolerated,
            tolerated=tolerated,
        )

    def _tolerated(self, key: Key, entries: Collection[Entry]) -> frozenset[Entry]:
        """Look-ups of a document that does not reflect the whole log: others may have taken them meanwhile."""
        if key not in self._fold.concerned:
            return frozenset()
        return frozenset(each for each in entries if not isinstance(each, SortedEntry))


def _was_passed_by(state: DocumentState, expected: Expected, fan_outs: Sequence[FanOutProgress]) -> bool:
    """Only the first fan-out is on its way; the others wait for it to end."""
    if state.behind is None or not fan_outs or state.behind.position != fan_outs[0].position:
        return False
    fan_out = state.behind.fan_out
    on_it = [each for each in expected.entries if fan_out.is_ahead(each, done=None)]
    return not all(fan_out.is_ahead(each, done=fan_outs[0].done) for each in on_it)
