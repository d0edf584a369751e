"""What a projection keeps no longer: documents of ranges of positions that are too old, or too many."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from projector.declaring.documents import Key, Kind


class RetentionPolicy(NamedTuple):
    """How much is kept: what is older than `age` goes, and what lies more than so many positions behind the last."""

    age: timedelta = timedelta(days=30)
    positions: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """
    Which documents of a kind are kept. That is no fold: the checkpoint says up to which position they are trimmed.

    :param span: positions of a document, whose id is the number of its span.
    :param newest: the time of the last event in a record.
    """

    kind: Kind[Any]
    span: int
    newest: Callable[[Any], datetime]
    policy: RetentionPolicy

    def is_trimmed(self, key: Key, *, at: int) -> bool:
        """Whether a document lies in what is trimmed up to a position."""
        return key.kind == self.kind.name and self.end_of(key) <= at

    def by_count(self, position: int) -> int:
        """Return up to where to trim because more follows than is kept: the end of a document, 0 if there is none."""
        return max(0, (position - self.policy.positions + 1) // self.span * self.span - 1)

    def next_of(self, trimmed: int, *, until: int, limit: int) -> Sequence[Key]:
        """Return the documents that are the next to be trimmed, all of whose positions the log has reached."""
        first = 0 if trimmed == 0 else trimmed // self.span + 1
        numbers = range(first, min(first + limit, (until + 1) // self.span))
        return [self.kind.key(str(number)) for number in numbers]

    def trimmed(self, candidates: Sequence[Key], records: Mapping[Key, Any], *, position: int, now: datetime) -> int:
        """
        Return the last position of those candidates, from the first, that are too old or too many; 0 if none is.

        :param records: those that are there; what is not there keeps nothing.
        """
        by_count, end = self.by_count(position), 0
        for key in candidates:
            is_old = key not in records or self.newest(records[key]) < now - self.policy.age
            if not is_old and self.end_of(key) > by_count:
                break
            end = self.end_of(key)
        return end

    def end_of(self, key: Key) -> int:
        """Return the last position that a document can have."""
        return (int(key.id) + 1) * self.span - 1
