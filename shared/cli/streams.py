"""The standard streams of a command: none is missing, none ends it with a traceback, each shows what it can."""

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import Any, TextIO

PLAIN = dict(zip("✓✗·→│─━╸╺╭╮╰╯", "+x->|----++++", strict=True))
"""What stands for a character that a terminal cannot show, beside what Unicode says it is made of."""


class OutputLost(Exception):
    """Results cannot be written: what takes them is full, closed or gone."""

    def __init__(self, error: OSError) -> None:
        why = "it is closed" if error.errno == errno.EBADF else error.strerror
        super().__init__(f"the output cannot be written: {why}")
        self.is_unread = error.errno == errno.EPIPE
        """The reader has gone (`muster … | head`): nothing is left to say."""


class Results(io.TextIOWrapper):
    """
    Standard output.

    :raises OutputLost: in place of every `OSError`.
    """

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputLost(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputLost(error) from error


def open_streams() -> None:
    """Make stdin, stdout and stderr ready, also where a caller has closed them."""
    codecs.register_error("plain", plain)
    for stream, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):  # a closed stdout takes nothing
        if not _is_open(stream):
            os.open(os.devnull, flags)
    sys.stdout = Results(_buffer(sys.stdout, 1), encoding=_encoding(sys.stdout), errors="plain", line_buffering=True)
    sys.stderr = io.TextIOWrapper(
        _buffer(sys.stderr, 2), encoding=_encoding(sys.stderr), errors="plain", line_buffering=True
    )


def plain(error: UnicodeError) -> tuple[str, int]:
    """Return what to show instead, for `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_shown, error.object[error.start : error.end])), error.end


def silence() -> None:
    """Lead stdout nowhere, so that nothing is said of it at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _is_open(stream: int) -> bool:
    try:
        os.fstat(stream)
    except OSError:
        return False
    return True


def _buffer(stream: TextIO | None, number: int) -> Any:
    return open(number, "wb", closefd=False) if stream is None else stream.buffer


def _encoding(stream: TextIO | None) -> str:
    return "utf-8" if stream is None else stream.encoding


def _shown(letter: str) -> str:
    plain = PLAIN.get(letter) or unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain or "?"
