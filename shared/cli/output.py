"""What commands print: results on stdout, everything else on stderr; nothing in either steers a terminal."""

import sys
from typing import TYPE_CHECKING

from shared.text import printable_lines

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str) -> None:
    """Print a message to people."""
    print(printable_lines(text), file=sys.stderr, flush=True)  # noqa: T201 - what a command says


def print_line(text: object) -> None:
    """Print a line of the result."""
    print(text, flush=True)  # noqa: T201 - the result of a command


def print_json(document: bytes) -> None:
    """Print one JSON document, which is the whole result."""
    print_line(document.decode())


def console(*, soft_wrap: bool = False) -> "Console":
    """
    Return a console for tables and lines on stdout; what looks like markup in them is text.

    :param soft_wrap: let the terminal wrap long lines, tables too.
    """
    from rich.console import Console  # noqa: PLC0415 - not to print a line

    return Console(markup=False, highlight=False, soft_wrap=soft_wrap)
