"""What one of something costs over partitions and nodes: four numbers each, from as many points that were measured."""

from dataclasses import dataclass
from math import sqrt
from typing import Self

from shared.capacity.measurements import MeasurementsUnusable, Points

FEW, MANY = 12, 48
"""The numbers of partitions that a cost goes through."""


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Of one request or command; it never falls with more partitions or nodes.

    Of a page of n entries each of P partitions gives n/P + 3√(n/P) + 1, together n + 3√(nP) + P: so it grows.

    :param alone: with one partition on one node.
    :param spread: what partitions add, by the square root of how many there are.
    :param each: what each further partition adds.
    :param trip: what each further node adds.
    """

    alone: float
    spread: float = 0.0
    each: float = 0.0
    trip: float = 0.0

    @classmethod
    def fitted(cls, points: Points, of: str) -> Self:
        """
        Go through 1 and 12 partitions on a node, 48 if that was measured, and 12 on 3 nodes.

        The other points show how true that is.

        :raises MeasurementsUnusable: one of these is missing.
        """
        try:
            alone, few, on_nodes = (points[f"{of} {where}"] for where in ("1/1", f"{FEW}/1", f"{FEW}/3"))
        except KeyError as error:
            raise MeasurementsUnusable(f"it has no point {error}") from None
        each = _each(few - alone, points.get(f"{of} {MANY}/1", alone) - alone)
        spread = max(0.0, few - alone - each * (FEW - 1)) / (sqrt(FEW) - 1)
        return cls(alone, spread, each, max(0.0, on_nodes - few) / 2)

    def at(self, partitions: int, nodes: int) -> float:
        shared = self.spread * (sqrt(partitions) - 1) + self.each * (partitions - 1)
        return self.alone + shared + self.trip * (nodes - 1)


def _each(few: float, many: float) -> float:
    """Return what each partition adds, where few and many add so much: what square roots leave of the many."""
    rooted = (sqrt(MANY) - 1) / (sqrt(FEW) - 1)
    return max(0.0, (many - rooted * few) / (MANY - 1 - rooted * (FEW - 1)))
