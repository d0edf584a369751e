"""How a caller reads the feed: the next changes that fit, also those that are still to come."""

import asyncio
from functools import partial
from typing import NamedTuple

import msgspec

from read_side.freshness import ProjectionBehind
from read_side.http.feed.cloud_events import change_of
from read_side.http.feed.values import RecordValues
from read_side.views import ChangeQuery, Changes, ChangeViews

_encode = msgspec.json.Encoder().encode


class ShownChange(NamedTuple):
    """A change as JSON."""

    position: int
    body: bytes


class ShownChanges(NamedTuple):
    """The same as `Changes`, with what is shown of each."""

    position: int
    items: tuple[ShownChange, ...]
    after: int


class FeedReader:
    """
    Reads the feed for callers of one kind.

    :param values: looks up the values of changed fields, if the callers may see all of them.
    """

    def __init__(self, views: ChangeViews, values: RecordValues | None) -> None:
        self._views, self._values = views, values

    async def next(self, query: ChangeQuery, *, minimum: int = 0, wait: float = 0) -> ShownChanges:
        """
        :param minimum: the position that the answer must reflect.
        :param wait: seconds to wait for a change that fits, where none does yet.
        :raises ChangesTrimmed: see `ChangeViews.changes`.
        """
        found = await self._found(query, minimum, wait)
        values = await self._values.of(found.items) if self._values else [None] * len(found.items)
        shown = [
            ShownChange(item.position, _encode(change_of(item, each)))
            for item, each in zip(found.items, values, strict=True)
        ]
        return ShownChanges(found.position, tuple(shown), found.after)

    async def _found(self, query: ChangeQuery, minimum: int, wait: float) -> Changes:
        freshness, now = self._views.freshness, asyncio.get_running_loop().time
        found, deadline = await freshness.reach(minimum, partial(self._views.changes, query)), now() + wait
        while not found.items and (left := deadline - now()) > 0:
            look = partial(self._views.changes, msgspec.structs.replace(query, after=found.after))
            try:
                found = await freshness.wait_for(found.after + 1, look, patience=left)
            except ProjectionBehind:
                break
        return found
