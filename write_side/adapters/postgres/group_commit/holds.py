"""Which command of a group relies on what, and which one changes it."""

from collections.abc import Hashable
from typing import Generic, TypeVar

M = TypeVar("M", bound=Hashable)


class Holds(Generic[M]):
    """Locks within a group: readers share, a writer excludes all others; a lock that is taken is refused at once."""

    def __init__(self) -> None:
        self._readers: dict[Hashable, set[M]] = {}
        self._writers: dict[Hashable, M] = {}

    def take(self, member: M, what: Hashable, *, shared: bool) -> bool:
        """Whether the member may have it; if so, it holds it from now on."""
        others = self._readers.get(what, set()) - {member}
        writer = self._writers.get(what, member)
        if writer != member or (others and not shared):
            return False
        if shared:
            self._readers.setdefault(what, set()).add(member)
        else:
            self._writers[what] = member
        return True
