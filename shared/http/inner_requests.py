"""A request that a page makes of its own service, in process: on behalf of who asked for the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from litestar.types import ASGIApp, Message, Scope


class InnerAnswer(NamedTuple):
    """What was answered."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


async def ask(
    app: ASGIApp,
    scope: Scope,
    address: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str],
    body: bytes = b"",
) -> InnerAnswer:
    """
    Return the answer of a service to one request more.

    :param scope: of the request that it is made for; but for `Host`, none of its headers is sent on.
    :param address: the path and the query, percent-encoded.
    """
    path, _, query = address.partition("?")
    sent = [each for each in scope["headers"] if each[0] == b"host"]
    sent += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    asked: Any = {**scope, "method": method, "path": unquote(path), "raw_path": path.encode(), "headers": sent}
    asked |= {"query_string": query.encode(), "state": {}}
    received: Iterator[Any] = iter([{"type": "http.request", "body": body, "more_body": False}])
    answered: list[Any] = []

    async def receive() -> Any:
        return next(received, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        answered.append(message)

    await app(asked, receive, send)
    start, *rest = answered
    return InnerAnswer(start["status"], start["headers"], b"".join(each.get("body", b"") for each in rest))
