"""Where it is recorded which layouts there are."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from shared.read_model.layouts import Layouts

LayoutChange: TypeAlias = Callable[[Layouts | None], Layouts]
"""How it shall be, by what is recorded; raises `LayoutRefused`."""


class LayoutRecord(Protocol):
    """The record at home; every method raises `Unavailable`."""

    async def read(self) -> Layouts | None:
        """Return what is recorded; None where nothing is."""

    async def change(self, change: LayoutChange) -> Layouts:
        """
        Change it in one step, and return what is recorded then.

        :raises Superseded: something else was written meanwhile, or the outcome is unknown.
        :raises LayoutRefused: the change does.
        """
