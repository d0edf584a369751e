"""Where a generation stands in the event log, and which generation is live."""

from typing import Any, Literal, TypeAlias
from uuid import UUID

import msgspec


class Pointer(msgspec.Struct, frozen=True):
    """A generation and the version of the projection that fills it."""

    generation: str
    version: int


Access: TypeAlias = Literal["open", "closed", "gone"]
"""
Who may write to a part of a layout: all; none, while readers go over to another layout; or none at all, as nothing of
it is kept or made.
"""


class Live(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A pointer as it is stored, without a generation where there is none.

    :param left: the number of the switch (see `Layouts.switches`) by which readers have left the part; 0 if they have
        not. Who was told by a later one to use it reads it.
    :param change: the number of the change of layouts that said so: one before it is not heard any more.
    """

    generation: str
    version: int
    access: Access = "open"
    left: int = 0
    change: int = 0

    @property
    def pointer(self) -> Pointer | None:
        return Pointer(self.generation, self.version) if self.generation else None


class FanOutProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    An event that concerns every document of a list, and how far along the list it has been brought.

    :param position: the event's.
    :param done: the last entry of the list whose document reflects the event; None before the first.
    :param since: where the checkpoint stood when a parked event was retried and began the fan-out; 0 for all others.
    """

    position: int
    done: bytes | None = None
    since: int = 0


class Filling(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A generation that is filled range by range (see `IdRange`), each from the same part of the log by the same code.

    :param until: the position of the last event, and its id.
    :param of: how many ranges there are.
    :param done: those that are written.
    """

    until: int
    event_id: UUID | None
    of: int
    code: str
    done: tuple[int, ...] = ()


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The events that a generation reflects.

    `count` events, the last of them `event_id` at `position`. `revision` grows with every write to the generation, so
    that equal checkpoints mean an untouched generation. `fan_outs` are under way, in the order in which they began.
    `parked` is the revision at which what is parked was last written (see `GenerationKeys.parked`), 0 if nothing is.
    `filled` is how far the log was folded for a generation that reflects nothing of it yet; 0 for all others. `filling`
    is what of it is written.
    `trimmed` is the position up to which nothing is kept for readers any more, and `emptied` up to where it is gone.
    """

    position: int = 0
    event_id: UUID | None = None
    count: int = 0
    revision: int = 0
    fan_outs: tuple[FanOutProgress, ...] = msgspec.field(default=(), name="sweeps")
    parked: int = 0
    filled: int = 0
    filling: Filling | None = None
    trimmed: int = 0
    emptied: int = 0

    @property
    def reached(self) -> int:
        """The position that readers see: every document that is not stale reflects every event up to here."""
        return next((each.position - 1 for each in self.fan_outs if not each.since), self.position)

    @property
    def is_retrying(self) -> bool:
        """
        Whether an event that was parked is being brought to many documents.

        Their positions do not say which have taken it up, and no fold in the order of the log can tell what they are.
        """
        return any(each.since for each in self.fan_outs)

    def revised(self, **changes: Any) -> "Checkpoint":
        """The checkpoint after one more write."""
        return msgspec.structs.replace(self, revision=self.revision + 1, **changes)


class Announcement(msgspec.Struct, frozen=True):
    """Sent to readers by every commit: `generation` now reflects the log up to `position`, a checkpoint's `reached`."""

    generation: str
    position: int
