"""What a source is by how it begins: commands, one JSON object a line, a table, or what no command is read of."""

from collections.abc import Callable, Mapping

from shared.client.lines import BLOCK_BYTES, Source, without_marks

_OTHERS: Mapping[bytes, str] = {
    b"\x1f\x8b": "compressed: pipe it through `gunzip -c`",
    b"\x28\xb5\x2f\xfd": "compressed: pipe it through `zstd -dc`",
    b"\xfd7zXZ": "compressed: pipe it through `xz -dc`",
    b"BZh": "compressed: pipe it through `bzip2 -dc`",
    b"PK\x03\x04": "an archive or a spreadsheet: save commands as text",
    b"\xff\xfe": "text in UTF-16 or UTF-32: pipe it through `iconv -f UTF-16 -t UTF-8`, or UTF-32",
    b"\xfe\xff": "text in UTF-16: pipe it through `iconv -f UTF-16 -t UTF-8`",
    b"\x1e": "a sequence of JSON texts: pipe it through `tr -d '\\036'`",
    b"[": "a JSON array: pipe it through `jq -c '.[]'`",
}
_LONGEST_BEGINNING = 8


class NoCommands(ValueError):
    """A source has no commands, one a line; the message says what it has, and what to do."""


class BegunSource:
    """A source of which the beginning has been read."""

    def __init__(self, begin: bytes, source: Source) -> None:
        self._begin, self._source = begin, source

    def read1(self, size: int, /) -> bytes:
        block, self._begin = self._begin, b""
        return block or self._source.read1(size)


def commands_of(source: Source, *, table: Callable[[Source], Source]) -> Source:
    """
    Return the source from its beginning, once that has been recognised.

    :param table: makes a source of commands of one that is a table (CSV).
    :raises NoCommands: it is something else.
    """
    begin = b""
    while not _is_enough(begin) and (block := source.read1(BLOCK_BYTES)):
        begin += block
    if other := _other_than_commands(_begun(begin)):
        raise NoCommands(other)
    begun = BegunSource(begin, source)
    return table(begun) if _is_table(_begun(begin)) else begun


def _is_enough(begin: bytes) -> bool:
    """Whether there is a first line, or more than any has."""
    return b"\n" in _begun(begin) or len(begin) >= BLOCK_BYTES


def _begun(begin: bytes) -> bytes:
    return without_marks(begin).lstrip()


def _other_than_commands(begin: bytes) -> str | None:
    for magic, other in _OTHERS.items():
        if begin.startswith(magic):
            return other
    if b"\0" in begin[:_LONGEST_BEGINNING]:
        return "text in UTF-16 or UTF-32, or no text: pipe it through `iconv -f UTF-16 -t UTF-8`, or UTF-32"
    line = begin.partition(b"\n")[0].rstrip()
    if line == b"{":
        return "JSON over several lines: pipe it through `jq -c .`"
    if line and not line.startswith(b"{") and not _is_table(line):
        return "other text: its first line is neither JSON nor the header of a table (CSV)"
    return None


def _is_table(begin: bytes) -> bool:
    line = begin.partition(b"\n")[0]
    return not line.startswith(b"{") and any(each in line for each in (b",", b";", b"\t"))
