"""What the read API adds to the common problems."""

from collections.abc import Mapping
from typing import NamedTuple

from read_side.freshness import ProjectionBehind
from read_side.views import EvictionPossible, NeverFilled, Overloaded, ReadModelUnavailable, Unreadable
from shared.http.problems import Problem, Rejection

PROFILE_NOT_FOUND = Problem(
    "profile-not-found",
    404,
    "There is no such profile",
    "Check the key. If the account was registered a moment ago, send the position that the command answered as "
    "Muster-Min-Position.",
)
PROJECTION_BEHIND = Problem(
    "projection-behind",
    503,
    "The read model has not come that far yet",
    "Try again after Retry-After. If that goes on, `muster status` tells how far the projection is and what holds it.",
)
READ_MODEL_NOT_FILLED = Problem(
    "read-model-not-filled",
    503,
    "The read model was not filled yet",
    "Try again after Retry-After. Operators: see that the projector runs; `muster status` tells how far it is. The log "
    "has lost nothing.",
)
READ_MODEL_UNAVAILABLE = Problem(
    "read-model-unavailable",
    503,
    "The read model cannot be reached",
    "Try again after Retry-After. Operators: see that Redis runs and that MUSTER_REDIS_URL names it; reading goes on "
    "by itself then.",
)
EVICTION_POSSIBLE = Problem(
    "eviction-possible",
    503,
    "The read model may have lost records",
    "Operators: run `CONFIG SET maxmemory-policy noeviction` and write it into Redis' configuration. If Redis has "
    "evicted already (`INFO stats`, evicted_keys), have the read model filled anew.",
)
OVERLOADED = Problem(
    "overloaded",
    503,
    "More is asked than can be answered",
    "Try again after Retry-After, and ask for many people at once by /profiles/batch-get. Operators: more workers.",
)

PROBLEMS = (
    PROFILE_NOT_FOUND,
    PROJECTION_BEHIND,
    READ_MODEL_NOT_FILLED,
    READ_MODEL_UNAVAILABLE,
    EVICTION_POSSIBLE,
    OVERLOADED,
)
UNREADABLE = tuple(problem for problem in PROBLEMS if problem is not PROFILE_NOT_FOUND)
"""Every answer that asks something of a read model may be one of these instead."""


class _Told(NamedTuple):
    problem: Problem
    retry_after: int
    """Seconds."""


_TOLD: Mapping[type[Exception], _Told] = {
    ProjectionBehind: _Told(PROJECTION_BEHIND, 1),
    NeverFilled: _Told(READ_MODEL_NOT_FILLED, 2),
    ReadModelUnavailable: _Told(READ_MODEL_UNAVAILABLE, 1),
    EvictionPossible: _Told(EVICTION_POSSIBLE, 10),
    Overloaded: _Told(OVERLOADED, 1),
}


def rejection(error: Unreadable | ProjectionBehind) -> Rejection:
    """Tell why a read model did not answer."""
    problem, retry_after = _TOLD[type(error)]
    headers = {"Retry-After": str(retry_after), "Cache-Control": "no-store"}
    if isinstance(error, ProjectionBehind):
        headers["Muster-Position"] = str(error.position)
    return Rejection(problem, str(error), headers=headers)


def profile_not_found(*, position: int) -> Rejection:
    """Tell that nobody has the key, as of `position`."""
    headers = {"Muster-Position": str(position), "Cache-Control": "private, no-cache"}
    return Rejection(PROFILE_NOT_FOUND, f"Nobody has this key as of position {position}", headers=headers)
