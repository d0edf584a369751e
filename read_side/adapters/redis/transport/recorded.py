"""The layout that readers are to use, as it is recorded at home."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self, TypeAlias

import structlog

from read_side.views import NeverFilled
from shared.errors import Unavailable
from shared.read_model.layouts import WHERE, recorded
from shared.read_model.partitions import Partitions
from shared.redis.client import Connect, connector
from shared.redis.failures import reachable
from shared.redis.nodes import Nodes, nodes_with
from shared.redis.pipelined import pack
from shared.runtime.cancellation import to_the_end
from shared.together import Together

log = structlog.get_logger()
_ASK = b"".join(pack("GET", key) for key in WHERE)
UNKNOWN = "It is not known how the read models are divided: no projector has started yet"


class ReadLayout(NamedTuple):
    """
    A layout that is to be read.

    :param switches: see `Layouts.switches`.
    """

    partitions: Partitions
    switches: int = 0


Follow: TypeAlias = Callable[[ReadLayout | None, Nodes | None], Awaitable[None]]
"""Goes over to another layout, on these nodes if it lies on several; None where it is not known."""


class RecordedLayout:
    """
    Shared by all views of a process, which go over to another layout together.

    It is asked for at the start, and whenever a view finds that the layout which it reads was left, or is not there.

    :param nodes_of: gives the nodes of a cluster that have a layout.
    """

    def __init__(self, connect: Connect, *, nodes_of: Callable[[Partitions], Nodes | None]) -> None:
        self._connection = connect()
        self._nodes_of = nodes_of
        self._known: ReadLayout | None = None
        self._followers: list[Follow] = []
        self._looking = Together(lambda: to_the_end(self._look()), on=Unavailable)

    @classmethod
    def at(cls, url: str) -> Self:
        """That of a server, or of a cluster."""
        return cls(connector(url), nodes_of=lambda partitions: nodes_with(partitions.tags, url))

    def follow(self, follow: Follow) -> None:
        """Call this with each layout that takes the place of another."""
        self._followers.append(follow)

    async def ask(self) -> None:
        """
        Go over to the layout that is recorded now; those who come while others are asking share the next answer.

        :raises NeverFilled: none is.
        :raises Unavailable: Redis is away, or what is recorded cannot be read.
        """
        await self._looking.done()
        if self._known is None:
            raise NeverFilled(UNKNOWN)

    async def aclose(self) -> None:
        """Leave nothing open, once the look that is under way has ended."""
        await self._looking.ended()
        await self._connection.disconnect()

    async def _look(self) -> None:
        """Not to be cut short: a caller who goes away might leave some views behind."""
        try:
            with reachable():
                record, live_at_home = await self._connection.fetch(_ASK, replies=len(WHERE))
        except BaseException:
            await self._connection.disconnect()
            raise
        layouts = recorded(record, live_at_home)
        await self._go_over(ReadLayout(Partitions(layouts.live), layouts.switches) if layouts else None)

    async def _go_over(self, layout: ReadLayout | None) -> None:
        if layout == self._known:
            return
        log.info("reads go to another layout", partitions=layout and layout.partitions.count)
        self._known, nodes = layout, self._nodes_of(layout.partitions) if layout else None
        for follow in self._followers:
            await follow(layout, nodes)
