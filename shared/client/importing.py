"""`muster import`: a file of commands, posted to the write API."""

import os
import stat
import sys
from io import BufferedReader
from pathlib import Path

from shared.cli.exit_codes import WrongUsage
from shared.client.formats import NoCommands, commands_of
from shared.client.lines import Source, read_chunks
from shared.client.run import Posting
from shared.runtime.progress import Progress

STDIN = "-"


def import_file(file: str, posting: Posting) -> int:
    """
    Post the commands of a file and return the exit status; running it again does nothing twice.

    :param file: a path, or `-` for stdin.
    """
    try:
        source = _opened(file)
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror}") from error
    with source:
        chunks = read_chunks(_commands_of(source, file))
        return posting.post(chunks, progress=Progress(sys.stderr).begin("line", total=_size(source)))


def _opened(file: str) -> BufferedReader:
    if file == STDIN:
        return os.fdopen(0, "rb", closefd=False)
    return Path(file).open("rb")


def _commands_of(source: BufferedReader, file: str) -> Source:
    """:raises WrongUsage: it has none; nothing was sent."""
    try:
        return commands_of(source)
    except NoCommands as error:
        raise WrongUsage(f"{'stdin' if file == STDIN else file} is {error}") from error


def _size(source: BufferedReader) -> int | None:
    """Return the size in bytes; None for a pipe or a terminal."""
    about = os.fstat(source.fileno())
    return about.st_size if stat.S_ISREG(about.st_mode) else None
