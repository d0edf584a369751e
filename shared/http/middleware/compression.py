"""
Answers of 1 kB and more are compressed where the client accepts it (RFC 9110, section 12.5.3), by gzip or zstd.

Those that say `no-transform` (RFC 9111, section 5.2.2.6) are sent as they are.
"""

import asyncio
import threading
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import zstandard
from litestar.types import Message, Scope, Send

from shared.http.parsing.negotiation import qualities
from shared.http.requests import header

SMALLEST = 1_000
"""Bytes; what is smaller is sent in one packet anyhow, and costs nothing here."""
IN_A_THREAD = 64 * 1024
"""Bytes; compressing as many takes a millisecond, for which others would wait."""

VARY = (b"vary", b"accept-encoding")


def _gzip(body: bytes) -> bytes:
    compress = zlib.compressobj(4, wbits=31)  # 31: with gzip's header, which has no time in it
    return compress.compress(body) + compress.flush()


class _Compressor(threading.local):
    """Of each thread, since threads cannot share it; to make one takes longer than a small answer."""

    def __init__(self) -> None:
        self.zstd = zstandard.ZstdCompressor(level=3)


_compressor = _Compressor()


def _zstd(body: bytes) -> bytes:
    return _compressor.zstd.compress(body)


_CODINGS: Mapping[str, Callable[[bytes], bytes]] = {"zstd": _zstd, "gzip": _gzip}
"""The first is preferred, of those that a client accepts as gladly."""


def is_large(head: Any) -> bool:
    """Whether a whole answer with this head is worth being compressed; a stream has no length, and passes."""
    for name, size in reversed(head["headers"]):  # the hot path has it last
        if name == b"content-length":
            return int(size) >= SMALLEST
    return False


def compressing(head: Any, scope: Scope, send: Send) -> Send:
    """
    Return how an answer is sent to its client.

    :param head: of a large answer, which says then that others may get it in another form.
    """
    if any(name == b"cache-control" and b"no-transform" in value for name, value in head["headers"]):
        return send
    if VARY not in head["headers"]:
        head["headers"] = [*head["headers"], VARY]
    coding = _chosen(header(scope, b"accept-encoding") or "")
    return send if coding is None else CompressingSend(coding, send)


def tags(etag: str) -> tuple[str, ...]:
    """The entity tags of a representation: as it is, and of each coding (RFC 9110, section 8.8.3.3)."""
    return etag, *(_tag(etag, coding) for coding in _CODINGS)


def _tag(etag: str, coding: str) -> str:
    return f'{etag[:-1]}-{coding}"'


class CompressingSend:
    """Sends one large answer: its head is held back until it is known how long the body is."""

    def __init__(self, coding: str, send: Send) -> None:
        self._coding = coding
        self._send = send
        self._head: Any = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            return
        if self._head is not None:
            head, self._head = self._head, None
            if not message.get("more_body"):
                message["body"] = await _compressed(message["body"], self._coding)  # type: ignore[typeddict-item, typeddict-unknown-key] # a body
                head["headers"] = [*_coded(head["headers"], self._coding, len(message["body"]))]  # type: ignore[typeddict-item] # likewise
            await self._send(head)
        await self._send(message)


async def _compressed(body: bytes, coding: str) -> bytes:
    if len(body) >= IN_A_THREAD:
        return await asyncio.to_thread(_CODINGS[coding], body)
    return _CODINGS[coding](body)


def _coded(headers: list[tuple[bytes, bytes]], coding: str, size: int) -> Any:
    for name, value in headers:
        match name:
            case b"content-length":
                yield name, b"%d" % size
            case b"etag":
                yield name, _tag(value.decode(), coding).encode()
            case _:
                yield name, value
    yield b"content-encoding", coding.encode()


@lru_cache(maxsize=256)
def _chosen(accept: str) -> str | None:
    """Return the coding that the client likes best; none if that is the body as it is, or another that we lack."""
    wanted = qualities(accept)
    plain = wanted.get("identity", 0.0)
    best = max(_CODINGS, key=lambda coding: wanted.get(coding, wanted.get("*", 0.0)))
    quality = wanted.get(best, wanted.get("*", 0.0))
    return best if quality > 0 and quality >= plain else None
