"""Files and directories that their owner alone may read, whatever the umask is."""

import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

UMASK = 0o077
"""Leaves nothing to other accounts."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO
MOST_ENTRIES = 200_000
"""Of a directory that are closed one by one: the directory itself, which comes first, closes the way to the others."""


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    unfinished = unfinished_of(path)
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600, exist_ok=False)
    unfinished.write_text(text)
    unfinished.rename(path)


def unfinished_of(path: Path) -> Path:
    """Return what is left of a private file where its writer was killed, or the disk was full."""
    return path.with_name(f"{path.name}.unfinished")


def make_private_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing, for their owner alone."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def created_with(mode: int) -> Callable[[str, int], int]:
    """Return the opener that gives a new file no more than this mode, and follows no link in its place."""
    return lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, mode)


def close_to_others(directory: Path, *, within: Collection[str]) -> Sequence[OSError]:
    """
    Take from other accounts what they may do with a directory and its files; return why that failed somewhere.

    Links are not followed: what they lead to belongs to another directory.

    :param within: the names of the directories in it that are closed with all that they hold.
    """
    failures: list[OSError] = []
    for path in islice(_below(directory.resolve(), within, failures), MOST_ENTRIES):
        _close(path, failures)
    return failures


def _below(top: Path, within: Collection[str], failures: list[OSError]) -> Iterator[Path]:
    """Yield a directory and what it holds; each directory is listed after it was yielded, and so closed."""
    yield top
    for root, directories, files in os.walk(top, onerror=failures.append):
        if root == str(top):
            directories[:] = [name for name in directories if name in within]
        yield from (Path(root, name) for name in (*directories, *files))


def _close(path: Path, failures: list[OSError]) -> None:
    """Close a file or a directory; what it was changed to meanwhile, such as a link, is left alone."""
    try:
        mode = path.lstat().st_mode
        if mode & OTHERS and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                os.fchmod(file, stat.S_IMODE(os.fstat(file).st_mode) & ~OTHERS)
            finally:
                os.close(file)
    except FileNotFoundError:
        return
    except OSError as error:
        failures.append(OSError(error.errno, error.strerror, str(path)))
