"""What commands print: results on stdout, everything else on stderr; nothing in either steers a terminal."""

import json
import re
import sys
from codecs import lookup
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

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
    """Print one JSON document, which is the whole result, in UTF-8 or ASCII."""
    text = document.decode()
    is_utf8 = lookup(sys.stdout.encoding).name == "utf-8"
    print_line(text if is_utf8 else re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text))


def print_encoded(document: Any) -> None:
    """Print a value as one JSON document."""
    from msgspec import json as encoder  # noqa: PLC0415 - not to print a line

    print_json(encoder.encode(document))


def print_result(document: Any, text: object, *, as_json: bool) -> None:
    """Print what came of a command, for programs or for people."""
    if as_json:
        print_encoded(document)
    else:
        print_line(text)


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table with every cell whole: a terminal wraps the lines that are too long for it."""
    from rich.table import Table  # noqa: PLC0415 - nor tables to print JSON

    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*row)
    wide = console()
    wide.width = sys.maxsize
    wide.print(table)


def console() -> "Console":
    """Return a console for lines on stdout; what looks like markup in them is text."""
    from rich.console import Console  # noqa: PLC0415 - not to print a line

    return Console(markup=False, highlight=False)
