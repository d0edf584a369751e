"""When Python searches for garbage: seldom while modules are loaded, and never in what they have left."""

import gc

_WHILE_LOADING = 100_000
"""Objects from one search to the next: nearly all that loading makes stays, and would be walked through for ever."""

_WHILE_SERVING = 20_000
"""What is under way holds thousands, and none is garbage: the usual 700 took a quarter of the time of an import."""


def search_seldom() -> None:
    """Let a program load its modules first: searches would take an eighth of that time."""
    gc.set_threshold(_WHILE_LOADING)


def search_while_serving() -> None:
    """Search more often from now on, and never in what there is: later that would delay some answers by 40 ms."""
    gc.freeze()
    gc.set_threshold(_WHILE_SERVING)
