"""What can break: a name, and how it is brought about at the real process and taken away again."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

Strike: TypeAlias = Callable[[Any], AbstractAsyncContextManager[None]]
"""Given the bench that it is for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A kind of fault.

    :param strike: the fault is there while it is entered. It makes sure that it was felt, and raises if it was not.
    :param lasts: seconds at most, apart from what it needs to be felt.
    :param outlived: whether others take over while it is there; if so, all is to go on before it ends.
    :param redis_loses: whether Redis may come back with less than it had, so that positions fall.
    :param of_programs: whether what it does is felt by a program alone, and by none of its forks.
    :param missing: why this machine does not permit it; None if it does.
    """

    name: str
    strike: Strike
    lasts: float = 1.0
    outlived: bool = False
    redis_loses: bool = False
    of_programs: bool = False
    missing: Callable[[], str | None] = lambda: None
