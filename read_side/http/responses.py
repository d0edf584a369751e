"""How a read model's answer is put: with its position and entity tag, or as 304 to who has it already."""

from collections.abc import Sequence

import msgspec
from litestar.types import HTTPScope, Send

from read_side.http.parameters.conditions import known_tag
from shared.http.middleware.compression import VARY
from shared.http.requests import send_whole
from shared.read_model.envelope import Sealed, combined_tag, entity_tag

CACHE_CONTROL = "private, no-cache"

_JSON = (b"content-type", b"application/json")
_CACHE = (b"cache-control", CACHE_CONTROL.encode())


class DocumentResponse(msgspec.Struct, frozen=True, gc=False):
    """
    A document to answer with, as of `position`.

    :param next: the address of the page behind this one, relative to that of the request.
    :param records: how many it counts for.
    """

    position: int
    document: Sealed
    next: bytes | None = None
    records: int = 1


def listing(begin: bytes, documents: Sequence[bytes], end: bytes, *, tags: Sequence[bytes], position: int) -> Sealed:
    """
    Write documents, with commas in between, between a beginning and an end; in one copy, as they are many bytes.

    :param tags: their entity tags, which are hashed instead of them where there are any.
    """
    parts = [b","] * (2 * len(documents))
    parts[::2] = documents
    parts[-1:] = [end]
    body = b"".join((begin, *parts))
    return Sealed(position, combined_tag(tags, end) if tags else entity_tag(body), body)


async def send_response(response: DocumentResponse, scope: HTTPScope, send: Send) -> bool:
    """Send the response, and return whether with the document, not with 304."""
    etag, body = response.document.etag, response.document.body
    known = known_tag(scope, etag)
    headers = [(b"muster-position", b"%d" % response.position), (b"etag", (known or etag).encode()), _CACHE, VARY]
    if response.next is not None:
        headers.append((b"link", b'<%b>; rel="next"' % response.next))
    if known:
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return False
    await send_whole(send, body, status=200, headers=[*headers, _JSON])
    return True
