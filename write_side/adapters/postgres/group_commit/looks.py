"""What several commands look for, in one statement a source."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from shared.postgres.pipeline import Row, Statement
from write_side.adapters.postgres.group_commit.requests import ROWS, LookRequest, RowSource


class Looks:
    """Looks that are sent together, and what came of them."""

    def __init__(self, looks: Iterable[LookRequest]) -> None:
        self._wanted: defaultdict[RowSource, set[LookRequest]] = defaultdict(set)
        for look in looks:
            self._wanted[look.source].add(look)
        self._found: dict[LookRequest, Row] = {}
        self._held: set[LookRequest] = set()

    def statements(self) -> Iterator[Statement]:
        """Yield statements whose rows `take` understands."""
        for source, looks in self._wanted.items():
            sql = ROWS[source.kind].select(source.columns, lock=source.lock, free=source.free)
            yield sql, _columns(looks)

    def take(self, results: Sequence[Sequence[Row]]) -> None:
        for source, rows in zip(self._wanted, results, strict=True):
            for row in rows:
                look = LookRequest(source, ROWS[source.kind].values(source.columns, row))
                self._found[look] = row
                if not row[-1]:
                    self._held.add(look)

    def questions(self) -> Iterator[Statement]:
        """Yield what asks whether rows that were locked for us, but left out, are there; for `take_answers`."""
        for source, looks in self._left_out():
            yield ROWS[source.kind].select_only(source.columns), _columns(looks)

    def take_answers(self, results: Sequence[Sequence[Row]]) -> None:
        for (source, _), rows in zip(self._left_out(), results, strict=True):
            self._held.update(LookRequest(source, tuple(row)) for row in rows)

    def is_held(self, look: LookRequest) -> bool:
        """Whether it is there, but another transaction has it: the command would have to wait."""
        return look in self._held

    def row(self, look: LookRequest) -> Row | None:
        return self._found.get(look)

    def _left_out(self) -> list[tuple[RowSource, list[LookRequest]]]:
        missing = {
            source: [look for look in looks if look not in self._found]
            for source, looks in self._wanted.items()
            if source.lock
        }
        return [(source, looks) for source, looks in missing.items() if looks]


def _columns(looks: Iterable[LookRequest]) -> list[list[object]]:
    return [list(column) for column in zip(*(look.values for look in looks), strict=True)]
