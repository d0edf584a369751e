"""What `muster doctor` has found."""

from typing import NamedTuple

OK, FAILED, WARNING = "✓", "✗", "!"
MEANINGS = {OK: "ok", FAILED: "failed", WARNING: "warning"}
"""How programs read the marks."""

CONNECT_SECONDS = 3


class Check(NamedTuple):
    """One precondition: whether it holds, what was looked at, and what to do if it does not."""

    mark: str
    what: str
    hint: str = ""


def check(holds: bool, what: str, hint: str, *, otherwise: str = FAILED) -> Check:  # noqa: FBT001 - it is the answer
    return Check(OK, what) if holds else Check(otherwise, what, hint)
