"""How a generation that holds nothing is filled, as the loop that feeds it afterwards sees it."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from projector.folding.parking import NOTHING, Parking
from shared.read_model.positions import Checkpoint, Pointer


class Piece(NamedTuple):
    """
    A piece of work that was done.

    :param events: that were folded in it; none if it was only written.
    :param seconds: that it took.
    :param position: up to which the log is folded.
    """

    events: int
    seconds: float
    position: int


Report: TypeAlias = Callable[[Piece], Awaitable[None]]
"""Called after each piece; may have the filling rest."""


class Filler(Protocol):
    """Fills the generations of one projection from the beginning of the log, as long as they have no readers."""

    async def fill(self, pointer: Pointer, *, report: Report) -> int:
        """
        Have a generation reflect the log as far as nothing can appear before it any more, or until an event stops it.

        Until its last commit the generation reflects nothing; where that does not come about, the next one goes on.

        :return: the position that it reflects now; 0 if that is nothing.
        :raises Superseded: another one fills it, or it is to be filled no more.
        :raises TooManyParked: so many events cannot be folded that it must be the code.
        """


class RangeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which range of a generation is to be filled, and how.

    :param until: the position of the last event of the log.
    :param nth: of so many ranges, see `IdRange`.
    :param weight: that a commit may have.
    :param at_once: how many readings of the log may be under way for ranges like this one.
    """

    generation: str
    until: int
    nth: int
    of: int
    weight: int
    at_once: int = 1


class RangeOutcome(msgspec.Struct, frozen=True):
    """
    The end of filling a range.

    :param parking: what is parked of it.
    :param stopped: the position of an event that can neither be folded nor parked, 0 for none: nothing is written then.
    """

    parking: Parking = NOTHING
    stopped: int = 0


Turn: TypeAlias = Callable[[], AbstractAsyncContextManager[Checkpoint]]
"""Waits until a commit may be written, and gives the checkpoint that it finds; it leaves the next revision of that."""


class RangeFiller(Protocol):
    """Fills single ranges of the generations of one projection."""

    async def fill(self, order: RangeOrder, *, turn: Turn, report: Report) -> RangeOutcome:
        """
        Write all documents of a range, with what leads to them.

        :raises Superseded, TooManyParked: as with `Filler`.
        """


class Shares(Protocol):
    """
    The ranges that are filled by one reading of the log, as what reads it sees them.

    Each is of another projection, or of another part of one; whatever befalls one is no matter of the others.
    """

    orders: Mapping[str, RangeOrder]
    """By the labels of the projections."""

    def are_wanted(self) -> bool:
        """Whether any of them is still to be filled."""

    def is_wanted(self, label: str) -> bool:
        """Whether one is still to be filled: it has no end yet, and was not given up."""

    async def report(self, pieces: Mapping[str, Piece]) -> None:
        """Say what was done for each; returns once all have been heard, and have rested."""

    def turn(self, label: str) -> AbstractAsyncContextManager[Checkpoint]:
        """See `Turn`."""

    def end(self, label: str, end: RangeOutcome | Exception) -> None:
        """Say how one has ended."""


class Reading(Protocol):
    """Reads the log once, and fills ranges of generations of several projections by what they need of it."""

    async def fill(self, shares: Shares) -> None:
        """
        Give each of them its end.

        :raises Unavailable: those that have none yet can be filled no further now.
        """
