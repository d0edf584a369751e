"""`GET /changes`: the change feed, page by page."""

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.types import HTTPScope

from read_side.http.endpoints import Outcomes
from read_side.http.feed.cloud_events import ChangePage
from read_side.http.feed.filters import FILTERS, LIMIT, WAIT, wanted_changes
from read_side.http.feed.reading import FeedReader, ShownChanges
from read_side.http.feed.values import RecordValues
from read_side.http.parameters import filters
from read_side.http.parameters.conditions import wanted_position
from read_side.http.problems import CHANGES_TRIMMED, GROUP_NOT_FOUND
from read_side.http.resource import Opened, ReadRoute, Resource
from read_side.http.resources.change_stream import STREAM
from read_side.http.responses import DocumentResponse
from read_side.views import ChangeViews, GroupViews, ProfileViews, Variant
from shared.http.parsing.parameters import Parameters
from shared.read_model.envelope import Sealed, entity_tag


@dataclass(frozen=True, kw_only=True)
class ChangesRoute(ReadRoute):
    """Answers with pages of the feed."""

    def endpoint(self, opened: Opened, port: type[Any], variant: Variant) -> "ChangesEndpoint":
        values = RecordValues(opened[ProfileViews], opened[GroupViews]) if variant == "full" else None
        return ChangesEndpoint(self, FeedReader(opened[port], values), opened[GroupViews])


class ChangesEndpoint:
    """The feed on open views."""

    def __init__(self, route: ChangesRoute, feed: FeedReader, groups: GroupViews) -> None:
        self.outcomes = Outcomes(route.path)
        self._feed = feed
        self._groups = groups

    async def answer(self, scope: HTTPScope, *_: object) -> DocumentResponse:
        parameters = Parameters(scope)
        minimum, wait, wanted = wanted_position(parameters), WAIT.of(parameters, 0.0), wanted_changes(parameters)
        limit = LIMIT.of(parameters, filters.DEFAULT_LIMIT)
        parameters.require_valid()
        query = msgspec.structs.replace(await wanted.of_group(self._groups, minimum=minimum), limit=limit)
        return _response(await self._feed.next(query, minimum=minimum, wait=wait))


def _response(found: ShownChanges) -> DocumentResponse:
    items = b",".join(each.body for each in found.items)
    body = b'{"items":[%b],"next_after":%d}' % (items, found.after)
    return DocumentResponse(found.position, Sealed(found.position, entity_tag(body), body))


FEED = ChangesRoute(
    name="list_changes",
    path="/changes",
    summary="List what has changed, in order",
    description="A reader that goes on at `next_after` meets each change exactly once, in the order of the log, "
    "also across rebuilds. Changes name ids and fields; values are shown to callers with the scope "
    "`profiles:read.private`, as the records have them by now.",
    answer=ChangePage,
    parameters=tuple(each.parameter for each in (*FILTERS, LIMIT, WAIT)),
    problems=(CHANGES_TRIMMED, GROUP_NOT_FOUND),
    is_whole=True,
)

CHANGES = Resource(name="changes", port=ChangeViews, routes=(FEED,), streams=(STREAM,), probe="/changes?limit=1")
