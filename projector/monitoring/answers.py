"""What the ops API answers of projections; commands read it without all that finds it out."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from projector.store.generations import Comparison
from shared.read_model.layouts import Layouts

READY = "ready"
"""The phase in which a rebuild waits for the other parts of the projection."""


class GenerationStatus(msgspec.Struct, kw_only=True):
    """
    One generation; its role is `live`, `filling` (the first), `building` (to replace the live one) or `kept`.

    :param name: empty where one of each part is meant, and they are called otherwise.
    """

    name: str
    version: int
    role: str
    checkpoint: int | None
    events: int | None
    """Events that it reflects."""
    documents: int | None = None
    bytes: int | None = None
    """Approximate size in Redis."""
    state: str | None
    """State of the processor that feeds it; null if this projector does not."""
    kept_until: datetime | None = None
    comparison: Comparison | None = None
    """For a kept generation: how the one that took its place differed."""


class RebuildStatus(msgspec.Struct, kw_only=True):
    """
    A rebuild or first fill under way.

    Its phase is `replaying`, `comparing`, `switching`, `ready` where a new version waits until it is ready in all parts
    of the projection, or `held` where an operator has to order it again or abort it.
    """

    generation: str
    version: int
    phase: str
    position: int
    target: int
    events_per_second: float | None
    by: str
    since: datetime
    held: str | None
    comparison: Comparison | None
    error: str | None
    waits_for: list[str] = []
    """The parts in which it is not ready yet."""
    done: float = 0.0
    """The share of the log that is replayed, from 0 to 1; that of all parts, while `position` is the least."""


class PartStatus(msgspec.Struct, kw_only=True):
    """
    One projection, or a part of it; what is unknown now is null.

    :param name: of a part, with the number of its partition: `profiles.3`.
    """

    name: str
    version: int
    generation: str | None = None
    checkpoint: int | None = None
    revision: int | None = None
    """Grows with every write to the generation."""
    lag_events: int | None = None
    lag_seconds: float | None = None
    parked: int = 0
    """Documents that are behind because an event of theirs is parked."""
    rebuild: RebuildStatus | None = None
    state: str
    error: str | None
    events_per_second: float
    generations: list[GenerationStatus] = []

    @property
    def each_part(self) -> "Sequence[PartStatus]":
        """Return what is fed by itself: the parts, or else all of it."""
        return [self]


class ProjectionStatus(PartStatus, kw_only=True):
    """
    One projection over all its parts: the least checkpoint, the greatest lag, the worst state; the rest is summed up.

    :param worst: the part that has this state, or else is furthest behind; null where there are no parts.
    """

    worst: str | None = None
    parts: list[PartStatus] = []

    @property
    def each_part(self) -> Sequence[PartStatus]:
        return self.parts or [self]


class HeldBy(msgspec.Struct, kw_only=True):
    """The transaction that keeps the log from being read further: it appended, or is about to, and has not ended."""

    position: int
    pid: int | None
    since: datetime
    text: str


class ProjectorStatus(msgspec.Struct, kw_only=True):
    """A projector that runs: its role is `holder` (it feeds) or `standby`."""

    id: str
    role: str
    since: str


class Status(msgspec.Struct, kw_only=True):
    """The answer of `/status`; `head` is null while PostgreSQL is away, and `error` says so."""

    head: int | None = None
    projections: list[ProjectionStatus]
    held_by: HeldBy | None = None
    projectors: list[ProjectorStatus] = []
    layouts: Layouts | None = None
    """Into how many partitions the read models are divided, and will be, and were: what this projector feeds."""
    error: str | None = None
    read_probe: str | None = None
    """What the read API did not answer when it was last asked for all that is in the log."""

    @property
    def parts(self) -> Iterator[PartStatus]:
        """Return those of all projections."""
        return (part for each in self.projections for part in each.each_part)

    @property
    def division(self) -> Sequence[str]:
        """Return lines on the layouts, where there is more than the one that readers use."""
        lines = list(self.layouts.lines) if self.layouts else []
        return lines if len(lines) > 1 else []


class Arrangement(msgspec.Struct, frozen=True, omit_defaults=True):
    """The generations of a projection after a request; null where there is none."""

    projection: str
    live: str | None
    building: str | None
    kept: str | None


class Arrangements(Arrangement, frozen=True, omit_defaults=True):
    """
    The same after a request that may be for all parts of a projection together.

    :param parts: then the generations of each; what stands beside them is null.
    """

    parts: tuple[Arrangement, ...] = ()
