"""What the read API adds to the common problems."""

from collections.abc import Mapping
from typing import NamedTuple, get_args

from prometheus_client import Counter

from read_side.freshness import ProjectionBehind
from read_side.views import ChangesTrimmed, NeverFilled, QueryTooBroad
from shared.errors import EvictionPossible, Overloaded, Unavailable
from shared.http.problems import Rejection
from shared.problems import OVERLOADED, FieldError, Problem

_REFUSED = Counter("muster_reads_refused_total", "Questions that a read model did not answer.", ("problem",))

PROFILE_NOT_FOUND = Problem(
    "profile-not-found",
    404,
    "There is no such profile",
    "Check the key. If the account was registered a moment ago, send the position that the command answered as "
    "Muster-Min-Position.",
)
GROUP_NOT_FOUND = Problem(
    "group-not-found",
    404,
    "There is no such group",
    "Check the id or the slug; a slug that was changed finds nothing. If the group was created a moment ago, send the "
    "position that the command answered as Muster-Min-Position.",
)
MEMBER_NOT_FOUND = Problem(
    "member-not-found",
    404,
    "No account with this id belongs to the group",
    "Check the account's id. If it was added a moment ago, send the position that the command answered as "
    "Muster-Min-Position.",
)
QUERY_TOO_BROAD = Problem(
    "query-too-broad",
    422,
    "Too many match to be sorted",
    "Leave `sort` out, for which there is no such limit, or look for more or longer words.",
)
CHANGES_TRIMMED = Problem(
    "changes-trimmed",
    410,
    "What you ask for is not kept any more",
    "You have missed changes: read again what you keep a copy of, and go on from `oldest_position`, which is the first "
    "that is kept. Operators: MUSTER_RETENTION and MUSTER_RETENTION_COUNT say for how long, and how many are kept.",
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

UNREADABLE = (PROJECTION_BEHIND, READ_MODEL_NOT_FILLED, READ_MODEL_UNAVAILABLE, EVICTION_POSSIBLE, OVERLOADED)
"""Every answer that asks something of a read model may be one of these instead."""

for _problem in (*UNREADABLE, QUERY_TOO_BROAD, CHANGES_TRIMMED):
    _REFUSED.labels(_problem.name)  # from a sample that was not there before, Prometheus sees no increase

PROBLEMS = (PROFILE_NOT_FOUND, GROUP_NOT_FOUND, MEMBER_NOT_FOUND, QUERY_TOO_BROAD, CHANGES_TRIMMED, *UNREADABLE)


class _Unanswered(NamedTuple):
    problem: Problem
    retry_after: int
    """Seconds."""


_UNANSWERED: Mapping[type[Exception], _Unanswered] = {
    ProjectionBehind: _Unanswered(PROJECTION_BEHIND, 1),
    NeverFilled: _Unanswered(READ_MODEL_NOT_FILLED, 2),
    Unavailable: _Unanswered(READ_MODEL_UNAVAILABLE, 1),
    EvictionPossible: _Unanswered(EVICTION_POSSIBLE, 10),
    Overloaded: _Unanswered(OVERLOADED, 1),
}


Unanswered = Unavailable | EvictionPossible | Overloaded | ProjectionBehind | QueryTooBroad | ChangesTrimmed
UNANSWERED = get_args(Unanswered)
"""What a view, or waiting for it, raises rather than answer."""


def rejection(error: Unanswered) -> Rejection:
    """Say why a read model did not answer, and count it."""
    refusal = _refusal(error)
    _REFUSED.labels(refusal.problem.name).inc()
    return refusal


def _refusal(error: Unanswered) -> Rejection:
    if isinstance(error, QueryTooBroad):
        return Rejection(QUERY_TOO_BROAD, str(error), errors=[FieldError("?q", "matches too many to be sorted")])
    if isinstance(error, ChangesTrimmed):
        more = {"oldest_position": error.oldest}
        return Rejection(CHANGES_TRIMMED, str(error), headers={"Cache-Control": "no-store"}, more=more)
    problem, retry_after = _UNANSWERED[type(error)]
    headers = {"Retry-After": str(retry_after), "Cache-Control": "no-store"}
    if isinstance(error, ProjectionBehind):
        headers["Muster-Position"] = str(error.position)
    return Rejection(problem, str(error), headers=headers)


def profile_not_found(position: int) -> Rejection:
    """Say that no profile has the key, as of `position`."""
    return _not_found(PROFILE_NOT_FOUND, f"No profile has this key as of position {position}", position)


def group_not_found(position: int) -> Rejection:
    """Say that no group has the id or slug, as of `position`."""
    return _not_found(GROUP_NOT_FOUND, f"No group has this id or slug as of position {position}", position)


def member_not_found(position: int) -> Rejection:
    """Say that the group is there and the account does not belong to it, as of `position`."""
    return _not_found(MEMBER_NOT_FOUND, f"The account is no member as of position {position}", position)


def _not_found(problem: Problem, detail: str, position: int) -> Rejection:
    headers = {"Muster-Position": str(position), "Cache-Control": "private, no-cache"}
    return Rejection(problem, detail, headers=headers)
