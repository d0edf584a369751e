"""How messages count, and what they suggest in place of a name that nobody knows."""

import difflib
from collections.abc import Iterable


def counted(number: int | None, one: str, many: str = "") -> str:
    """Return a number with its noun, as in `1 document` and `2,000 documents`; `?` stands for an unknown number."""
    return f"{'?' if number is None else f'{number:,}'} {one if number == 1 else many or f'{one}s'}"


def suggestion(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return what to write instead of a name: the one that is nearly so, else all of them, or what is given."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {near[0]}?" if near else otherwise or ", ".join(names)
