"""One document by its keys; `GET /profiles/{id}`, the hot path, is one of these."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from litestar.types import HTTPScope

from read_side.freshness import Freshness
from read_side.http.endpoints import Outcomes, PathKeys
from read_side.http.resource import Opened, ReadRoute
from read_side.http.responses import DocumentResponse
from read_side.views import Variant, Views
from shared.http.problems import Rejection
from shared.read_model.envelope import Sealed, entity_tag


class DocumentMatch(Protocol):
    """The result of a view: a document, or None."""

    @property
    def position(self) -> int: ...

    @property
    def document(self) -> Sealed | None: ...


V = TypeVar("V", bound=Views)
M = TypeVar("M", bound=DocumentMatch)


def _never_missing(match: DocumentMatch) -> Rejection:
    raise AssertionError(f"there is always a document, also as of position {match.position}")


@dataclass(frozen=True, kw_only=True)
class DocumentRoute(ReadRoute, Generic[V, M]):
    """
    Answers with one document.

    :param find: makes what asks the views for a variant, with the keys in the path.
    :param missing: says what is not there; not needed where there is always a document.
    """

    find: Callable[[V, Variant], Callable[..., Awaitable[M]]]
    missing: Callable[[M], Rejection] = _never_missing

    def endpoint(self, opened: Opened, port: type[Any], variant: Variant) -> "DocumentEndpoint[V, M]":
        views: V = opened[port]
        return DocumentEndpoint(self, find=self.find(views, variant), freshness=views.freshness, variant=variant)


class DocumentEndpoint(Generic[V, M]):
    """A document route on open views."""

    def __init__(
        self,
        route: DocumentRoute[V, M],
        *,
        find: Callable[..., Awaitable[M]],
        freshness: Freshness,
        variant: Variant,
    ) -> None:
        self._keys = PathKeys(route.path, route.keys)
        self.outcomes = Outcomes(route.path)
        self._find, self._freshness, self._missing = find, freshness, route.missing
        self._fields, self._variant = route.fields, variant

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes], *_: object) -> DocumentResponse:
        keys = self._keys.of(segments)
        minimum, selection = self._fields.wanted(scope, self._variant)
        if minimum:
            match = await self._freshness.reach(minimum, partial(self._find, *keys))
        else:
            match = await self._find(*keys)
        if match.document is None:
            self.outcomes.misses.inc()
            raise self._missing(match)
        document = match.document
        if selection is not None:
            body = selection.cut(document.body)
            document = Sealed(document.position, entity_tag(body), body)
        return DocumentResponse(match.position, document)
