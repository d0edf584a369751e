"""Words of messages: counted nouns, and suggestions in place of unknown names."""

from collections.abc import Callable, Iterable


def counted(number: int | None, one: str, many: str = "") -> str:
    """Return a number with its noun, as in `1 document` and `2,000 documents`; `?` stands for an unknown number."""
    return f"{'?' if number is None else f'{number:,}'} {one if number == 1 else many or f'{one}s'}"


def suggestion(name: str, known: Iterable[str], *, otherwise: str = "", shown: Callable[[str], str] = str) -> str:
    """
    Return what to write instead of a name: the one that is nearly so, else all of them.

    :param otherwise: what to say instead of all of them.
    :param shown: how each is written.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - where names are right nothing is suggested

    names = list(known)
    near = get_close_matches(name.lower(), names, n=1)
    return f"did you mean {shown(near[0])}?" if near else otherwise or ", ".join(map(shown, names))
