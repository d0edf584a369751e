"""A projection as operators look at it first: all its parts in one."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import TypeVar

import msgspec

from projector.declaring.partitioning import whole_of
from projector.monitoring.answers import READY, GenerationStatus, PartStatus, ProjectionStatus, RebuildStatus
from projector.processing.progress import ProjectionState
from projector.store.generations import Comparison

N = TypeVar("N", int, float)
T = TypeVar("T")

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
        generation=_common(each.generation for each in parts),
        checkpoint=_least(each.checkpoint for each in parts),
        revision=_sum(each.revision for each in parts),
        lag_events=_most(each.lag_events for each in parts),
        lag_seconds=_most(each.lag_seconds for each in parts),
        parked=sum(each.parked for each in parts),
        rebuild=_rebuild({each.name: each.rebuild for each in parts if each.rebuild}),
        state=worst.state,
        error=worst.error and f"{worst.name}: {worst.error}",
        events_per_second=round(sum(each.events_per_second for each in parts), 1),
        generations=list(_generations(parts)),
        worst=worst.name,
        parts=list(parts),
    )


def _badness(part: PartStatus) -> tuple[int, bool, float, int]:
    return SEVERITY.index(part.state), part.checkpoint is None, part.lag_seconds or 0.0, -(part.checkpoint or 0)


def _rebuild(of_parts: dict[str, RebuildStatus]) -> RebuildStatus | None:
    if not of_parts:
        return None
    rebuilds = of_parts.values()
    compared = [each.comparison for each in rebuilds if each.comparison]
    return RebuildStatus(
        generation=_common(each.generation for each in rebuilds) or "",
        version=max(each.version for each in rebuilds),
        phase=max((each.phase for each in rebuilds), key=PHASES.index),
        position=sum(each.position for each in rebuilds),
        target=sum(each.target for each in rebuilds),
        events_per_second=_sum(each.events_per_second for each in rebuilds),
        by=", ".join(dict.fromkeys(each.by for each in rebuilds)),
        since=min(each.since for each in rebuilds),
        held=_first({name: each.held for name, each in of_parts.items()}),
        comparison=_compared(compared) if compared else None,
        error=_first({name: each.error for name, each in of_parts.items()}),
        waits_for=list(dict.fromkeys(chain.from_iterable(each.waits_for for each in rebuilds))),
    )


def _generations(parts: Sequence[PartStatus]) -> Iterator[GenerationStatus]:
    """Put together what has the same role in each part, and was made by the same version."""
    alike: dict[tuple[str, int], list[GenerationStatus]] = {}
    for each in chain.from_iterable(part.generations for part in parts):
        alike.setdefault((each.role, each.version), []).append(each)
    for (role, version), those in alike.items():
        compared = [each.comparison for each in those if each.comparison]
        yield GenerationStatus(
            name=_common(each.name for each in those) or "",
            version=version,
            role=role,
            checkpoint=_least(each.checkpoint for each in those),
            events=_most(each.events for each in those),
            documents=_sum(each.documents for each in those),
            bytes=_sum(each.bytes for each in those),
            state=max((each.state for each in those if each.state), key=SEVERITY.index, default=None),
            kept_until=min((each.kept_until for each in those if each.kept_until), default=None),
            comparison=_compared(compared) if compared else None,
        )


def _compared(comparisons: Sequence[Comparison]) -> Comparison:
    return Comparison(
        records=sum(each.records for each in comparisons),
        new=sum(each.new for each in comparisons),
        gone=sum(each.gone for each in comparisons),
        changed=sum(each.changed for each in comparisons),
        samples=tuple(islice(chain.from_iterable(each.samples for each in comparisons), SAMPLES)),
    )


def _first(texts: dict[str, str | None]) -> str | None:
    """Return the first that there is, with the part that it is of."""
    return next((f"{name}: {text}" for name, text in texts.items() if text), None)


def _common(values: Iterable[T]) -> T | None:
    """Return what all of them are."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


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
