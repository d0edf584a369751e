"""What other accounts may do with the files of a home."""

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def open_to_others(top: Path) -> set[str]:
    """The paths below a directory, and itself as `.`, with which other accounts may do anything."""
    return {str(path.relative_to(top)) for path in (top, *top.rglob("*")) for mode in _modes(path) if mode & 0o077}


def _modes(path: Path) -> Iterator[int]:
    """Its mode; none of a link, nor of what is gone since it was listed."""
    with suppress(FileNotFoundError):
        if not stat.S_ISLNK(mode := path.lstat().st_mode):
            yield stat.S_IMODE(mode)
