"""Blocks of bytes cut into lines, as NDJSON has them: at line feeds alone."""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple


class SplitLine(NamedTuple):
    """A line without its end."""

    text: bytes | None
    """None: it is longer than the limit."""
    size: int
    """How many bytes it had, its end included."""


class LineSplitter:
    """
    Gives the lines that each block ends.

    :param limit: of a line, in bytes; of one that is longer, no more is ever held.
    """

    def __init__(self, *, limit: float = inf) -> None:
        self._limit = limit
        self._held = b""
        self._size = 0

    def feed(self, block: bytes) -> Iterator[SplitLine]:
        """Give the lines that end in a block, and hold what it begins."""
        *ends, rest = block.split(b"\n")
        for part in ends:
            self._hold(part)
            yield self._taken(end=1)
        self._hold(rest)

    def end(self) -> Iterator[SplitLine]:
        """Give the last line, if it has no end."""
        if self._size:
            yield self._taken(end=0)

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        self._held = self._held + part if self._size <= self._limit else b""

    def _taken(self, *, end: int) -> SplitLine:
        line = SplitLine(self._held if self._size <= self._limit else None, self._size + end)
        self._held, self._size = b"", 0
        return line
