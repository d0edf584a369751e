"""The program of the next release: `profiles` has another version, and does the same."""

from projector.projections.profiles import profiles
from tests.support.forks import call_muster


def call_newer_muster(*arguments: str) -> None:
    """Be it; what it starts is forked from it, and so of that release as well."""
    profiles.version += 1
    call_muster(*arguments)
