"""Pages of lists: `{"items": […], "next_cursor": …}`, put together from documents as they are stored."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.types import HTTPScope
from msgspec import Meta

from read_side.freshness import Freshness
from read_side.http.endpoints import Outcomes, PathKeys
from read_side.http.parameters.conditions import wanted_position
from read_side.http.parameters.filters import CURSOR, DEFAULT_LIMIT, LIMIT
from read_side.http.resource import Opened, ReadRoute
from read_side.http.responses import DocumentResponse, listing
from read_side.views import Page, Variant, Views
from shared.http.parsing.cursors import NOT_A_CURSOR, Cursor
from shared.http.parsing.parameters import Parameters, invalid
from shared.http.problems import Rejection
from shared.problems import FieldError

_encode = msgspec.msgpack.Encoder().encode

V = TypeVar("V", bound=Views)
Q = TypeVar("Q", bound=msgspec.Struct)
"""What a list is asked; it has the fields `limit` and `after`."""


NextCursor = Annotated[str, Meta(examples=["AXk2cHZpLWNhcnNvbgA"])]


def ends_in_id(place: bytes) -> bool:
    """Whether it may be what `shared.read_model.ordering.place` makes."""
    return place[-17:-16] == b"\0"


@dataclass(frozen=True, kw_only=True)
class ListRoute(ReadRoute, Generic[V, Q]):
    """
    Answers with pages of a list.

    :param query: makes the query of a request's parameters; limit and cursor are seen to here.
    :param find: makes what asks the views for a variant, with the keys in the path and the query.
    :param missing: says that what the list belongs to is not there, as of a position.
    :param is_place: whether there can be such a place in the list.
    """

    query: Callable[[Parameters], Q]
    find: Callable[[V, Variant], Callable[..., Awaitable[Page]]]
    missing: Callable[[int], Rejection]
    is_place: Callable[[bytes], bool] = ends_in_id

    def endpoint(self, opened: Opened, port: type[Any], variant: Variant) -> "ListEndpoint[V, Q]":
        views: V = opened[port]
        return ListEndpoint(self, find=self.find(views, variant), freshness=views.freshness, variant=variant)


class ListEndpoint(Generic[V, Q]):
    """A list route on open views."""

    def __init__(
        self, route: ListRoute[V, Q], *, find: Callable[..., Awaitable[Page]], freshness: Freshness, variant: Variant
    ) -> None:
        self._route, self._find, self._freshness, self._variant = route, find, freshness, variant
        self._keys = PathKeys(route.path, route.keys)
        self.outcomes = Outcomes(route.path)

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes], *_: object) -> DocumentResponse:
        keys = self._keys.of(segments)
        parameters = Parameters(scope)
        selection = self._route.fields.selection(parameters)
        minimum, bound, query = self._query(parameters, keys)
        self._route.fields.require_visible(selection, scope, self._variant)
        page = await self._freshness.reach(minimum, partial(self._find, *keys, query))
        if page.documents is None:
            self.outcomes.misses.inc()
            raise self._route.missing(page.position)
        if selection is not None:
            page = page._replace(documents=tuple(map(selection.cut, page.documents)), tags=())
        return _response(page, parameters, bound)

    def _query(self, parameters: Parameters, keys: Sequence[str]) -> tuple[int, bytes, Q]:
        """Return the position wanted, what a cursor is bound to, and the query."""
        minimum, query = wanted_position(parameters), self._route.query(parameters)
        limit = LIMIT.of(parameters, DEFAULT_LIMIT)
        cursor = CURSOR.of(parameters, None)
        parameters.require_valid()
        bound = _encode((self._route.path, keys, query))
        if cursor and not (cursor.is_of(bound) and self._route.is_place(cursor.place)):
            raise invalid(FieldError("?cursor", NOT_A_CURSOR))
        return minimum, bound, msgspec.structs.replace(query, limit=limit, after=cursor and cursor.place)


def _response(page: Page, parameters: Parameters, bound: bytes) -> DocumentResponse:
    cursor = None if page.after is None else str(Cursor.behind(page.after, query=bound))
    end = b'],"next_cursor":%b}' % (b"null" if cursor is None else b'"%b"' % cursor.encode())
    document = listing(b'{"items":[', page.documents or (), end, tags=page.tags, position=page.position)
    next_page = None if cursor is None else parameters.address_with("cursor", cursor)
    return DocumentResponse(page.position, document, next_page)
