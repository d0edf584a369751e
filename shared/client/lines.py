"""A source of commands, one JSON object a line, cut into chunks that can be sent again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple, Protocol

import msgspec

from shared.lines import LineSplitter, SplitLine

MAX_LINE_BYTES = 64 * 1024
"""The write API takes no longer line."""

CHUNK_LINES = 1_000
"""Few enough that a chunk is done in a second or two, so that little is in doubt when the connection is lost."""

BLOCK_BYTES = 256 * 1024
"""Together with the line that the last block left unfinished it bounds what a request holds."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Stands before the first line that some programs write: of a file, and of each that was joined to it; or twice."""

_KEY = "idempotency_key"
_NULL = b"null"

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Source(Protocol):
    """A file opened for bytes; `sys.stdin.buffer` is one."""

    def read1(self, size: int, /) -> bytes: ...


class Line(NamedTuple):
    """A command as it is sent, with its idempotency key."""

    number: int
    """Its place in the source, from 1; blank lines count."""
    body: bytes | None
    """None: it is too long to be sent."""
    reached: int
    """How much of the source is done with this line: bytes of a file, groups and people of a seed."""


Chunk = Sequence[Line]


def read_chunks(source: Source) -> Iterator[Chunk]:
    """
    The commands of a source, never more than a block of it in memory.

    What one read returned makes a chunk, if it is not too much: of a pipe that is what is there, so that no command
    waits for the next to be written.
    """
    keys, number, reached = Keys(), 0, 0
    for texts in _cut(iter(lambda: source.read1(BLOCK_BYTES), b"")):
        lines = []
        for line, size in texts:
            number, reached = number + 1, reached + size
            text = line and without_marks(line)
            if text is None or text.strip():
                lines.append(Line(number, text and keys.keyed(text), reached))
        yield from in_chunks(lines)


def without_marks(text: bytes) -> bytes:
    while text.startswith(BYTE_ORDER_MARK):
        text = text.removeprefix(BYTE_ORDER_MARK)
    return text


def in_chunks(lines: Iterable[Line]) -> Iterator[Chunk]:
    remaining = iter(lines)
    while chunk := tuple(islice(remaining, CHUNK_LINES)):
        yield chunk


class Keys:
    """
    Gives each line the key that makes it safe to send it again.

    The key is made of a hash of the line and of how many times the line has occurred: the same source sent again has
    the same keys, and a line that is meant twice has two. To count, 8 bytes of each hash are remembered; two lines that
    share them count as one, which neither makes two keys equal nor changes the keys of the next run.
    """

    def __init__(self) -> None:
        self._occurred: Counter[int] = Counter()

    def keyed(self, line: bytes) -> bytes | None:
        """
        The line with its key, None if it is too long with it.

        A line that brings a key keeps it. One that is no JSON object stays as it is: the write API says what is wrong.
        """
        try:
            fields = _decode_object(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return line
        if bytes(fields.get(_KEY, _NULL)) != _NULL:
            return line
        fields[_KEY] = msgspec.Raw(_encode(self._key(line.strip())))
        keyed = _encode(fields)
        return keyed if len(keyed) <= MAX_LINE_BYTES else None

    def _key(self, line: bytes) -> str:
        digest = blake2b(line, digest_size=16).digest()
        short = int.from_bytes(digest[:8])
        self._occurred[short] += 1
        return f"import:{digest.hex()}:{self._occurred[short]}"


def _cut(blocks: Iterable[bytes]) -> Iterator[list[SplitLine]]:
    """Give the lines that each block ends."""
    splitter = LineSplitter(limit=MAX_LINE_BYTES)
    for block in blocks:
        yield list(splitter.feed(block))
    yield list(splitter.end())
