"""Pages of lists: `{"items": […], "next_cursor": …}`, put together from documents as they are stored."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import msgspec
from litestar.types import HTTPScope

from read_side.freshness import Freshness
from read_side.http import filters
from read_side.http.conditions import wanted_position
from read_side.http.cursors import NOT_A_CURSOR, Cursor
from read_side.http.parameters import Parameters, Parse, invalid
from read_side.http.responses import DocumentResponse
from read_side.http.router import Outcomes, PathKeys
from read_side.views import Page
from shared.http.problems import Rejection
from shared.problems import FieldError
from shared.read_model.envelope import Sealed, entity_tag

_encode = msgspec.msgpack.Encoder().encode


Q = TypeVar("Q", bound=msgspec.Struct)
"""What a list is asked; it has the fields `limit` and `after`."""


class ListRoute(Generic[Q]):
    """
    Answers with pages of a list.

    :param parse: each of the keys in the path.
    :param query: makes the question of a request's parameters; limit and cursor are seen to here.
    :param find: asks a view, with the keys and the question.
    :param is_place: whether there can be such a place in the list.
    :param missing: says that what the list belongs to is not there, as of a position.
    """

    def __init__(
        self,
        template: str,
        *parse: Parse[str],
        query: Callable[[Parameters], Q],
        find: Callable[..., Awaitable[Page]],
        freshness: Freshness,
        is_place: Callable[[bytes], bool],
        missing: Callable[[int], Rejection],
    ) -> None:
        self.template = template
        self._keys = PathKeys(template, *parse)
        self.outcomes = Outcomes(template)
        self._query, self._find, self._freshness = query, find, freshness
        self._is_place, self._missing = is_place, missing

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes]) -> DocumentResponse:
        keys = self._keys.of(segments)
        asked = Parameters(scope)
        minimum, bound, query = self._question(asked, keys)
        page = await self._freshness.reach(minimum, partial(self._find, *keys, query))
        if page.documents is None:
            self.outcomes.misses.inc()
            raise self._missing(page.position)
        return _page_response(page, page.documents, asked, bound)

    def _question(self, asked: Parameters, keys: Sequence[str]) -> tuple[int, bytes, Q]:
        """Return the position wanted, what a cursor is bound to, and the question."""
        minimum, query = wanted_position(asked), self._query(asked)
        limit = asked.one("limit", filters.limit, filters.DEFAULT_LIMIT)
        cursor = asked.one("cursor", Cursor.parse, None)
        asked.require_valid()
        bound = _encode((self.template, keys, query))
        if cursor and not (cursor.is_of(bound) and self._is_place(cursor.place)):
            raise invalid(FieldError("?cursor", NOT_A_CURSOR))
        return minimum, bound, msgspec.structs.replace(query, limit=limit, after=cursor and cursor.place)


def ends_in_id(place: bytes) -> bool:
    """Whether it may be what `shared.read_model.ordering.place` makes."""
    return place[-17:-16] == b"\0"


def _page_response(page: Page, documents: Sequence[Sealed], asked: Parameters, bound: bytes) -> DocumentResponse:
    cursor = None if page.after is None else str(Cursor.behind(page.after, asked=bound))
    items, end = b",".join(each.body for each in documents), b"null" if cursor is None else b'"%b"' % cursor.encode()
    body = b'{"items":[%b],"next_cursor":%b}' % (items, end)
    document = Sealed(page.position, entity_tag(body), body)
    return DocumentResponse(page.position, document, None if cursor is None else asked.address_with("cursor", cursor))
