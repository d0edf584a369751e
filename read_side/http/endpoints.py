"""What answers one path: its keys, its counts of outcomes, and how it fails."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes
from uuid import UUID

from litestar.types import HTTPScope, Receive
from msgspec import Meta
from prometheus_client import Counter

from read_side.http.parameters import filters
from read_side.http.responses import DocumentResponse
from shared.auth.principal import PRIVATE
from shared.http.middleware.auth import require_scope
from shared.http.parsing.parameters import NOT_UTF_8, Malformed, invalid
from shared.problems import FieldError
from shared.text import unique_slug

_READS = Counter(
    "muster_reads_total", "Questions answered; a batch is as many as it finds and misses.", ("look_up", "outcome")
)
names_in = re.compile(r"{(\w+)}").findall
"""The names of the keys in a path's template."""


class Outcomes:
    """Counts the answers of a path: something was there, which the reader had already or not, or nothing was."""

    def __init__(self, path: str) -> None:
        self.hits = _READS.labels(path, "hit")
        self.unchanged = _READS.labels(path, "unchanged")
        self.misses = _READS.labels(path, "miss")


class PathKey(NamedTuple):
    """
    One of the keys in a path.

    :param parse: makes it of text; raises `Malformed`.
    :param type: what the documentation says it is.
    """

    parse: Callable[[str], str]
    type: Any


HANDLE = PathKey(str, Annotated[str, Meta(examples=["andre"])])
EMAIL = PathKey(str, Annotated[str, Meta(examples=["andre@example.org"])])
EXTERNAL_ID = PathKey(str, Annotated[str, Meta(examples=["hr:4711"])])
ACCOUNT = PathKey(filters.account_id, UUID)
GROUP = PathKey(unique_slug, Annotated[str, Meta(examples=["ssju"])])


class PathKeys:
    """The keys in a path, in the order of its template."""

    def __init__(self, path: str, keys: Sequence[PathKey]) -> None:
        self._names, self._parse = names_in(path), [key.parse for key in keys]

    def of(self, segments: Sequence[bytes]) -> list[str]:
        """:raises Rejection: 422, nothing can have such a key."""
        return [*map(_key, segments, self._names, self._parse)]


def _key(segment: bytes, name: str, parse: Callable[[str], str]) -> str:
    try:
        return parse(unquote_to_bytes(segment).decode())
    except UnicodeDecodeError:
        raise invalid(FieldError(f"{{{name}}}", NOT_UTF_8)) from None
    except Malformed as malformed:
        raise invalid(FieldError(f"{{{name}}}", str(malformed))) from None


class Endpoint(Protocol):
    """Answers all addresses of one path."""

    outcomes: Outcomes

    async def answer(self, scope: HTTPScope, segments: Sequence[bytes], receive: Receive) -> DocumentResponse:
        """
        :param segments: the keys in its path, as they were sent.
        :param receive: what its body comes by.
        :raises Rejection: it is not valid, or there is nothing to answer with.
        :raises UNANSWERED: the view does not answer.
        """


class Forbidden:
    """Answers callers who may not see what only some may: nothing, not even whether it is there."""

    def __init__(self, path: str) -> None:
        self.outcomes = Outcomes(path)

    async def answer(self, scope: HTTPScope, *_: object) -> DocumentResponse:
        require_scope(scope, PRIVATE)
        raise AssertionError("a caller who may see it has another endpoint")
