"""`GET /changes/stream`: the change feed as server-sent events, whose ids are positions."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import msgspec
from litestar import get
from litestar.types import ASGIApp
from msgspec import Meta

from read_side.http.feed.filters import AFTER, FILTERS, wanted_changes
from read_side.http.feed.reading import FeedReader, ShownChanges
from read_side.http.feed.values import RecordValues
from read_side.http.parameters.conditions import wanted_position
from read_side.http.problems import CHANGES_TRIMMED, GROUP_NOT_FOUND, UNANSWERED, rejection
from read_side.http.resource import StreamRoute
from read_side.views import ChangeQuery, ChangesTrimmed, ChangeViews, GroupViews, ProfileViews
from shared.auth.authentication import Authentication
from shared.auth.principal import PRIVATE, Principal
from shared.http.containers import Services
from shared.http.event_stream import MEDIA_TYPE, event_stream, message, retry
from shared.http.middleware.auth import caller
from shared.http.openapi.document import Parameter
from shared.http.parsing.negotiation import require_acceptable
from shared.http.parsing.parameters import Parameters
from shared.http.requests import AnyRequest
from shared.http.streaming import TOO_MANY_STREAMS, StreamedResponse, StreamPlaces, may_look_on
from shared.runtime.retry import Backoff, RetryPolicy

PATH = "/changes/stream"
PORTION = 200
"""Changes that are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStreamLimits:
    """How many streams of changes a process serves, and how long it waits; seconds, but for the first."""

    streams: int = 500
    keep_alive: float = 15.0
    """Without a change; then it is said up to where was looked."""
    reconnect: float = 1.0
    """After which a browser connects again."""
    stalled: float = 30.0
    """For which a client may leave unread what it was sent."""
    longest_pause: float = 2.0
    """Before a read model that does not answer is asked again."""


class ChangeStreams:
    """All streams of changes of a process."""

    def __init__(self, limits: ChangeStreamLimits | None = None) -> None:
        self._limits = limits or ChangeStreamLimits()
        self.places = StreamPlaces(self._limits.streams)

    def stream(
        self, feed: FeedReader, query: ChangeQuery, first: ShownChanges, *, may_go_on: Callable[[], bool]
    ) -> StreamedResponse:
        """
        :param first: what was found by then.
        :param may_go_on: whether the client may still see this.
        """
        return event_stream(
            self.events(feed, query, first, may_go_on), places=self.places, stalled=self._limits.stalled
        )

    async def events(
        self, feed: FeedReader, query: ChangeQuery, found: ShownChanges, may_go_on: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        """Yield changes until some are trimmed; while the read model does not answer, they wait."""
        backoff = Backoff(RetryPolicy(first=0.1, longest=self._limits.longest_pause))
        yield retry(self._limits.reconnect) + _encoded(found)
        while may_go_on():
            query = msgspec.structs.replace(query, after=found.after)
            try:
                found = await feed.next(query, wait=self._limits.keep_alive)
            except ChangesTrimmed:
                return
            except UNANSWERED:
                await backoff.pause()
                yield b": not now\n\n"
                continue
            backoff.reset()
            yield _encoded(found)


def _encoded(found: ShownChanges) -> bytes:
    """Encode changes; then an id says up to where was looked, so that a reader with filters goes on there."""
    shown = b"".join(message(each.body, id=each.position) for each in found.items)
    is_end_shown = bool(found.items) and found.items[-1].position == found.after
    return shown if is_end_shown else b"%b: looked up to here\nid: %d\n\n" % (shown, found.after)


@get(PATH)
async def follow_changes(request: AnyRequest, services: Services) -> ASGIApp:
    require_acceptable(request.scope, MEDIA_TYPE)
    parameters, principal = Parameters(request.scope), caller(request.scope)
    minimum, wanted = wanted_position(parameters), wanted_changes(parameters)
    after = parameters.header(LAST_EVENT_ID.name, AFTER.parse, wanted.query.after)
    parameters.require_valid()
    groups = await services.aget_abstract(GroupViews)
    feed = await _feed(services, principal)
    try:
        query = await wanted.of_group(groups, minimum=minimum)
        query = msgspec.structs.replace(query, after=after, limit=PORTION)
        first = await feed.next(query, minimum=minimum)
    except UNANSWERED as error:
        raise rejection(error) from error
    authentication = await services.aget_abstract(Authentication)
    return services.get(ChangeStreams).stream(
        feed, query, first, may_go_on=partial(may_look_on, authentication, principal)
    )


async def _feed(services: Services, principal: Principal) -> FeedReader:
    views = await services.aget_abstract(ChangeViews)
    if PRIVATE not in principal.scopes:
        return FeedReader(views, None)
    profiles, groups = await services.aget_abstract(ProfileViews), await services.aget_abstract(GroupViews)
    return FeedReader(views, RecordValues(profiles, groups))


LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    type=AFTER.type,
    text="The id of the last event that came, rather than `after`: as browsers send it that connect again.",
)
STREAM = StreamRoute(
    name="follow_changes",
    path=PATH,
    summary="Follow what changes, as server-sent events",
    description="Each event is a change, in the order of the log; its id is the position. Every 15 s without one an id "
    "says up to where was looked. A client that connects again with the last id meets each change exactly once.",
    answer=Annotated[str, Meta(examples=['id: 1042\ndata: {"specversion":"1.0",…}\n\n'])],
    media_type=MEDIA_TYPE,
    parameters=(*(each.parameter for each in FILTERS), LAST_EVENT_ID),
    problems=(CHANGES_TRIMMED, GROUP_NOT_FOUND, TOO_MANY_STREAMS),
    is_whole=True,
    handler=follow_changes,
)
