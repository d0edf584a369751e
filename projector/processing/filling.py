"""How a generation that holds nothing is filled, as the loop that feeds it afterwards sees it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeAlias

from shared.read_model.positions import Pointer


class Piece(NamedTuple):
    """
    A piece of work that was done.

    :param events: that were folded in it; none if it was only written.
    :param seconds: that it took.
    """

    events: int
    seconds: float


Report: TypeAlias = Callable[[Piece], Awaitable[None]]
"""Called after each piece; may have the filling rest."""


class Filler(Protocol):
    """Fills the generations of one projection from the beginning of the log, as long as they have no readers."""

    async def fill(self, pointer: Pointer, *, report: Report) -> bool:
        """
        Have a generation reflect the log as far as nothing can appear before it any more, or until an event stops it.

        Until its last commit the generation reflects nothing; where that does not come about, the next one fills anew.

        :return: whether it reflects anything now.
        :raises Superseded: another one fills it, or it is to be filled no more.
        :raises TooManyParked: so many events cannot be folded that it must be the code.
        """
