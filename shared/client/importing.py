"""`muster import`: a file of commands, posted to the write API."""

import os
import stat
import sys
from collections.abc import Callable, Iterable
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from shared.cli.exit_codes import WrongUsage
from shared.client.formats import BegunSource, NoCommands, commands_of
from shared.client.lines import Chunk, Source, read_chunks
from shared.runtime.progress import Progress

STDIN = "-"


class Poster(Protocol):
    """Takes commands, tells what becomes of them, and returns the exit status."""

    def post(self, chunks: Iterable[Chunk], *, progress: Progress) -> int: ...


def import_file(file: str, posting: Poster, *, table: Callable[[Source], Source]) -> int:
    """
    Post the commands of a file and return the exit status; running it again does nothing twice.

    :param file: a path, or `-` for stdin.
    :param table: makes a source of commands of one that is a table (CSV).
    """
    try:
        source = _opened(file)
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror}") from error
    with source:
        commands = _commands_of(source, file, table)
        total = _size(source) if isinstance(commands, BegunSource) else None  # commands are longer than their rows
        return posting.post(read_chunks(commands), progress=Progress(sys.stderr).begin("line", total=total))


def _opened(file: str) -> BufferedReader:
    if file == STDIN:
        return os.fdopen(0, "rb", closefd=False)
    return Path(file).open("rb")


def _commands_of(source: BufferedReader, file: str, table: Callable[[Source], Source]) -> Source:
    """:raises WrongUsage: it has none; nothing was sent."""
    try:
        return commands_of(source, table=table)
    except NoCommands as error:
        raise WrongUsage(f"{'stdin' if file == STDIN else file} is {error}") from error


def _size(source: BufferedReader) -> int | None:
    """Return the size in bytes; None for a pipe or a terminal."""
    about = os.fstat(source.fileno())
    return about.st_size if stat.S_ISREG(about.st_mode) else None
