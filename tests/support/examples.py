"""How many examples a property is tried on: few in every run, many at night (`--hypothesis-profile nightly`)."""

import os

from hypothesis import settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

FEW, MANY = 25, 1_000


def register_profiles() -> None:
    """
    A machine that pauses makes no example slow, whatever hypothesis takes it for.

    The few are the same in every run, so that a change is held up by what it changes alone; those at night are others.
    So the few take no constants from our modules: which there are is a matter of what a process has loaded, and in a
    new clone each process would look for them for 4 s.
    """
    settings.register_profile("ci", deadline=None, max_examples=FEW, derandomize=True)
    settings.register_profile("nightly", deadline=None, max_examples=MANY)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
    if not at_night():
        providers._get_local_constants = Constants


def at_night() -> bool:
    return settings().max_examples > FEW


def examples(few: int) -> int:
    """The number for a property that is tried on so few examples in every run: at night in the same proportion more."""
    return few * settings().max_examples // FEW
