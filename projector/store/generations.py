"""Which generations a projection has: the live one, which readers use, and the roster of those beside it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from shared.read_model.positions import Access, Checkpoint, Pointer

KEEP_OLD_SECONDS = 3600.0


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Who wants a rebuild, and how.

    :param hold: stop after the comparison, and wait for another order, also if it is forced.
    :param force: switch whatever the comparison says, and even if it takes readers back.
    :param keep_old: seconds for which the generation that is replaced can be switched back to.
    :param after: the generation from which the first part of the projection had gone back by then, if from any.
    """

    by: str
    at: datetime
    hold: bool = False
    force: bool = False
    keep_old: float = KEEP_OLD_SECONDS
    after: str | None = None


RecordChange: TypeAlias = Literal["new", "gone", "changed"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A record that differs: its fields, or none if it is only in one of the generations."""

    kind: str
    id: str
    difference: RecordChange
    fields: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The differences of a new generation's records from those of the live one."""

    records: int
    """Of the live generation."""
    new: int = 0
    gone: int = 0
    changed: int = 0
    samples: tuple[Sample, ...] = ()


class Building(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A generation that is to become live: by a first fill if there is no live one, else by a rebuild.

    :param target: the head of the log when it was begun.
    :param replaces: the live generation.
    :param held: why it waits for another order.
    :param ready: it waits for the other parts of the projection, see `transitions.at_version`.
    """

    pointer: Pointer
    order: Order
    target: int
    replaces: Pointer | None = None
    comparison: Comparison | None = None
    held: str | None = None
    ready: bool = False


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A generation that was live, is still fed, and can be switched back to.

    :param forced: it was rolled back from, even if that took readers back.
    """

    pointer: Pointer
    until: datetime
    seconds: float
    replaced_by: Pointer
    forced: bool = False
    comparison: Comparison | None = None
    """How the other differed when it took this one's place."""


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that is not written any more; its keys go once no reader can be in it any more."""

    pointer: Pointer
    since: datetime


class Roster(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    The generations beside the live one.

    :param declined: the version that was switched back from: code of that version does not rebuild by itself.
    """

    building: Building | None = None
    kept: Kept | None = None
    leaving: tuple[Leaving, ...] = ()
    declined: int | None = None


class GenerationState(NamedTuple):
    """The stored state of one generation; no checkpoint if it was lost."""

    checkpoint: Checkpoint | None
    damaged: str | None = None

    @property
    def reached(self) -> int:
        return self.checkpoint.reached if self.checkpoint else 0

    @property
    def folded(self) -> int:
        """How far it is: what it reflects, or will once what is folded of the log is written."""
        return max(self.reached, self.checkpoint.filled) if self.checkpoint else 0


class Size(NamedTuple):
    """
    The number of things that a generation holds.

    :param documents: of all kinds.
    :param bytes: in memory, about; None where the server does not say.
    """

    documents: int
    bytes: int | None


class Survey(NamedTuple):
    """The stored generations of a projection."""

    live: Pointer | None = None
    roster: Roster = Roster()
    generations: Mapping[str, GenerationState] = {}
    """Of `fed`, by name."""
    access: Access = "open"
    left: int = 0
    change: int = 0
    """See `positions.Live`, like the access."""

    @property
    def fed(self) -> tuple[Pointer, ...]:
        """The generations that may be written: the live one, the one being built, the one that is kept."""
        beside = (self.roster.building, self.roster.kept)
        return tuple(each for each in (self.live, *(one.pointer for one in beside if one)) if each)

    @property
    def main(self) -> Pointer | None:
        """The generation that readers use, or will once it is filled."""
        return self.live or (self.roster.building.pointer if self.roster.building else None)

    def at(self, pointer: Pointer | None) -> GenerationState:
        return self.generations.get(pointer.generation, LOST) if pointer else LOST

    @property
    def is_rebuilt(self) -> bool:
        """Whether a generation is being built beside one that readers use."""
        return self.live is not None and self.roster.building is not None

    def has_ready(self, version: int) -> bool:
        """Whether a version is live here, or waits until it is ready in all parts of the projection."""
        building = self.roster.building
        is_built = building is not None and building.ready and building.pointer.version == version
        return is_built or (self.live is not None and self.live.version == version)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """That of `main`."""
        return self.at(self.main).checkpoint

    def is_filling(self, version: int) -> bool:
        """Whether a first generation of a version is being made that can be gone on with."""
        building = self.roster.building
        if building is None or building.pointer.version != version:
            return False
        checkpoint, damaged = self.at(building.pointer)
        return checkpoint is not None and not damaged

    def is_to_be_filled(self, pointer: Pointer) -> bool:
        """Whether a generation that is built holds nothing of a log in which there is something."""
        building = self.roster.building
        if building is None or building.pointer != pointer or not building.target:
            return False
        checkpoint, damaged = self.at(pointer)
        return checkpoint is not None and not checkpoint.position and not damaged

    def is_outdated(self, version: int) -> bool:
        """Whether code of a version should replace the live generation, unless an operator decided otherwise."""
        if self.live is None or self.live.version >= version or self.roster.building:
            return False
        return self.roster.declined != version


LOST = GenerationState(None)
