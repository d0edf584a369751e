"""What a page shows: the answers of the read API itself, so that it can neither see nor say anything else."""

from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from read_side.http.router import Router
from shared.http.requests import AnyRequest

T = TypeVar("T")


class PageReads:
    """
    The reads that one page is made of, on behalf of its caller.

    `position` is the least of those that their answers reflect.
    """

    def __init__(self, request: AnyRequest, *, after: int | None = None) -> None:
        """:param after: the position that they have to reflect."""
        self._scope: Any = request.scope
        self._router: Router = request.app.state.reads
        self.sent = [*parse_qsl(request.scope["query_string"].decode("latin-1"))]
        """The parameters of the page; a field that was left empty is none."""
        if after is not None:
            self.sent.append(("min_position", str(after)))
        self.position: int | None = None

    def value(self, name: str) -> str:
        """Return a parameter of the page; empty if it was not sent."""
        return next((value for known, value in self.sent if known == name), "")

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.sent if known == name]

    async def get(self, path: str, type: type[T], query: Iterable[tuple[str, str]] = ()) -> T:
        """
        Return what the API answers, as fresh as the page has to be.

        :raises Rejection: as the API does.
        """
        wanted = [(name, value) for name, value in self.sent if name == "min_position"]
        parameters = urlencode([*(each for each in query if each[0] != "min_position"), *wanted])
        answer = await self._router.read(self._scope, path.encode(), parameters.encode())
        self.position = answer.position if self.position is None else min(self.position, answer.position)
        return msgspec.json.decode(answer.document.body, type=type)


def segment(key: str) -> str:
    """A key as it stands in a path."""
    return quote(key, safe="")
