"""One document by its keys; `GET /profiles/{id}`, the hot path, is one of these."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

from litestar.types import HTTPScope

from read_side.freshness import Freshness
from read_side.http.conditions import minimum_position
from read_side.http.parameters import Parse
from read_side.http.responses import DocumentResponse
from read_side.http.router import Outcomes, PathKeys
from shared.http.problems import Rejection
from shared.read_model.envelope import Sealed


class DocumentMatch(Protocol):
    """A view's answer: a document, or None."""

    @property
    def position(self) -> int: ...

    @property
    def document(self) -> Sealed | None: ...


F = TypeVar("F", bound=DocumentMatch)


class DocumentRoute(Generic[F]):
    """
    Answers with one document.

    :param parse: each of the keys in the path.
    :param find: asks a view, with these keys.
    :param missing: says what is not there.
    """

    def __init__(
        self,
        template: str,
        *parse: Parse[str],
        find: Callable[..., Awaitable[F]],
        freshness: Freshness,
        missing: Callable[[F], Rejection],
    ) -> None:
        self.template = template
        self._keys = PathKeys(template, *parse)
        self.outcomes = Outcomes(template)
        self._find, self._freshness, self._missing = find, freshness, missing

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes]) -> DocumentResponse:
        keys = self._keys.of(segments)
        if minimum := minimum_position(scope):
            answer = await self._freshness.reach(minimum, partial(self._find, *keys))
        else:
            answer = await self._find(*keys)
        if answer.document is None:
            self.outcomes.misses.inc()
            raise self._missing(answer)
        return DocumentResponse(answer.position, answer.document)
