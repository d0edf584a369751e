"""What a process that fills ranges of generations says on its standard output, one JSON object a line."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from projector.processing.circuit_breaker import TooManyParked
from projector.processing.filling import Piece, RangeOutcome
from projector.store.errors import Superseded
from shared.errors import Unavailable, Unsound


class Worked(msgspec.Struct, frozen=True, tag=True):
    """
    It has done a piece of work for each of these; it goes on with the next one, and then waits for a line.

    That lists the labels of the ranges which are still wanted, and says that it may go on.
    """

    pieces: Mapping[str, Piece]


class Waiting(msgspec.Struct, frozen=True, tag=True):
    """It has something of one to write, and waits for a line with the checkpoint that it finds."""

    label: str


class Wrote(msgspec.Struct, frozen=True, tag=True):
    """It has written that, and the next revision of the checkpoint."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """One is done."""

    label: str
    outcome: RangeOutcome


class Failed(msgspec.Struct, frozen=True, tag=True):
    """It cannot go on with one, or with any of them: the kind of error and its message."""

    kind: str
    message: str
    label: str = ""

    def error(self) -> Exception:
        return KINDS.get(self.kind, RuntimeError)(self.message)


class AllDone(msgspec.Struct, frozen=True, tag="Done"):
    """It has nothing more to do."""


Said: TypeAlias = Worked | Waiting | Wrote | Ended | Failed | AllDone

KINDS: Mapping[str, type[Exception]] = {
    each.__name__: each for each in (Superseded, Unavailable, TooManyParked, Unsound)
}
"""The errors that the other process tells apart, each before those that it is one of; all others are defects."""


def failed(error: Exception, label: str = "") -> Failed:
    """Say what went wrong, as the other process is to raise it."""
    kind = next((name for name, each in KINDS.items() if isinstance(error, each)), "")
    return Failed(kind, str(error) if kind else type(error).__name__, label)


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Said).decode
