"""A projection as operators look at it first: all its parts in one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, groupby, islice
from typing import Any, TypeAlias, TypeVar

import msgspec

from projector.declaring.partitioning import whole_of
from projector.folding.grouping import grouped
from projector.monitoring.answers import READY, GenerationStatus, PartStatus, ProjectionStatus, RebuildStatus
from projector.processing.progress import ProjectionState
from projector.store.generations import Comparison, Sample

N = TypeVar("N", int, float)
T = TypeVar("T")
Rule: TypeAlias = Callable[[list[Any]], Any]
"""Makes one value of those that a field has in several parts."""

SEVERITY: Sequence[str] = (
    ProjectionState.STANDBY,
    ProjectionState.RUNNING,
    ProjectionState.STARTING,
    ProjectionState.FILLING,
    ProjectionState.WAITING,
    ProjectionState.STOPPED,
)
"""The worst last; what stands by is fed by another projector."""
PHASES = ("switching", READY, "comparing", "replaying", "held")
"""Of rebuilds, likewise."""
SAMPLES = 20


def wholes_of(parts: Iterable[PartStatus]) -> list[ProjectionStatus]:
    """Put the parts of each projection together, which stand one behind the other."""
    return [_whole(name, list(each)) for name, each in groupby(parts, key=lambda part: whole_of(part.name))]


def _whole(name: str, parts: Sequence[PartStatus]) -> ProjectionStatus:
    if parts[0].name == name:
        return ProjectionStatus(**msgspec.structs.asdict(parts[0]))
    worst = max(parts, key=_badness)
    return ProjectionStatus(
        name=name,
        version=worst.version,
        state=worst.state,
        error=worst.error and f"{worst.name}: {worst.error}",
        rebuild=_rebuild({each.name: each.rebuild for each in parts if each.rebuild}),
        generations=_generations(parts),
        worst=worst.name,
        parts=list(parts),
        **_together(parts, _OF_PARTS),
    )


def _badness(part: PartStatus) -> tuple[int, bool, float, int]:
    return SEVERITY.index(part.state), part.checkpoint is None, part.lag_seconds or 0.0, -(part.checkpoint or 0)


def _rebuild(of_parts: dict[str, RebuildStatus]) -> RebuildStatus | None:
    if not of_parts:
        return None
    return RebuildStatus(
        held=_first({name: each.held for name, each in of_parts.items()}),
        error=_first({name: each.error for name, each in of_parts.items()}),
        **_together(of_parts.values(), _OF_REBUILDS),
    )


def _generations(parts: Iterable[PartStatus]) -> list[GenerationStatus]:
    """Put together what has the same role in each part, and was made by the same version."""
    every = chain.from_iterable(part.generations for part in parts)
    alike = grouped(((each.role, each.version), each) for each in every)
    return [
        GenerationStatus(role=role, version=version, **_together(those, _OF_GENERATIONS))
        for (role, version), those in alike.items()
    ]


def _together(of: Iterable[Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Make one value of each field."""
    those = list(of)
    return {field: rule([getattr(each, field) for each in those]) for field, rule in rules.items()}


def _compared(comparisons: Sequence[Comparison | None]) -> Comparison | None:
    """Add up those that there are."""
    made = [each for each in comparisons if each]
    return Comparison(**_together(made, _OF_COMPARISONS)) if made else None


def _samples(of_comparisons: Sequence[Sequence[Sample]]) -> tuple[Sample, ...]:
    return tuple(islice(chain.from_iterable(of_comparisons), SAMPLES))


def _in_turn(texts: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(texts)))


def _worst(states: Sequence[str | None]) -> str | None:
    return max(filter(None, states), key=SEVERITY.index, default=None)


def _first(texts: dict[str, str | None]) -> str | None:
    """Return the first that there is, with the part that it is of."""
    return next((f"{name}: {text}" for name, text in texts.items() if text), None)


def _common(values: Iterable[T]) -> T | None:
    """Return what all of them are."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _common_name(values: Iterable[str]) -> str:
    return _common(values) or ""


def _earliest(values: Iterable[datetime | None]) -> datetime | None:
    return min(filter(None, values), default=None)


def _least(values: Iterable[N | None]) -> N | None:
    return min(_known(values), default=None)


def _sum(values: Iterable[N | None]) -> N | None:
    known = _known(values)
    return sum(known[1:], known[0]) if known else None


def _known(values: Iterable[N | None]) -> list[N]:
    """Return nothing where one of them is unknown."""
    found = list(values)
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else []


def _most(values: Iterable[N | None]) -> N | None:
    """Return the greatest of those that are known."""
    return max((each for each in values if each is not None), default=None)


_OF_PARTS: Mapping[str, Rule] = {
    "generation": _common,
    "checkpoint": _least,
    "revision": _sum,
    "lag_events": _most,
    "lag_seconds": _most,
    "parked": sum,
    "events_per_second": lambda rates: round(sum(rates), 1),
}
_OF_REBUILDS: Mapping[str, Rule] = {
    "generation": _common_name,
    "version": max,
    "phase": partial(max, key=PHASES.index),
    "position": min,
    "target": max,
    "done": lambda shares: sum(shares) / len(shares),
    "events_per_second": _sum,
    "by": lambda names: ", ".join(dict.fromkeys(names)),
    "since": min,
    "comparison": _compared,
    "waits_for": _in_turn,
}
_OF_GENERATIONS: Mapping[str, Rule] = {
    "name": _common_name,
    "checkpoint": _least,
    "events": _most,
    "documents": _sum,
    "bytes": _sum,
    "state": _worst,
    "kept_until": _earliest,
    "comparison": _compared,
}
_OF_COMPARISONS: Mapping[str, Rule] = {"records": sum, "new": sum, "gone": sum, "changed": sum, "samples": _samples}
