"""
Which layouts there are: into how many partitions the read models are divided, and will be, and were.

Recorded at home (`Keyspace.partitions`), where one step lets readers go from one to another. The names of a layout's
keys tell in how many partitions it is, so that two share none. Each change is a pure function, made true by a
compare-and-set.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec

from shared.errors import Unavailable, Unsound
from shared.read_model.keys import HOME
from shared.wording import counted

WHERE = (HOME.partitions, HOME.projection("profiles").live)
"""The keys whose values `recorded` takes."""


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=16_384)]
"""A number of partitions: each is in a slot of its own."""


class LayoutRefused(Exception):
    """A change of layouts is not possible now; the message says why, and what would be."""


class LayoutsUnreadable(Unavailable, Unsound):
    """What is recorded is not known to this release: nothing is read by it, and nothing written."""


class Layouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    The numbers of partitions.

    :ivar live: of the layout that readers use.
    :ivar building: of one that is to take its place.
    :ivar kept: of the one before, which is still fed.
    :ivar until: when that is dropped.
    :ivar leaving: of one whose keys are to go.
    :ivar switches: the number of the last change, also of an attempt that was taken back; they grow. That by which a
        layout is begun is the time in milliseconds since 1970, so that a Redis that was emptied has none for the second
        time.
    """

    live: Count
    building: Count | None = None
    kept: Count | None = None
    until: datetime | None = None
    leaving: Count | None = None
    switches: int = 0

    @property
    def beside(self) -> Sequence[int]:
        """Those that are fed beside the live one."""
        return [each for each in (self.building, self.kept) if each]

    @property
    def lines(self) -> Iterator[str]:
        """Say of each what becomes of it."""
        yield f"{_named(self.live)}: readers use it"
        if self.building:
            yield f"{_named(self.building)}: readers go over to it once it has all that they see"
        if self.kept and self.until:
            yield f"{_named(self.kept)}: kept until {self.until:%Y-%m-%d %H:%M:%S}Z"
        if self.leaving:
            yield f"{_named(self.leaving)}: is being dropped"

    @property
    def encoded(self) -> bytes:
        """As it is stored; the number alone, which other releases know, where there is nothing beside it."""
        return msgspec.json.encode(self.live if self == Layouts(live=self.live) else self)

    def wished(self, count: int, *, at: datetime) -> "Layouts":
        """
        Build a layout, unless it is there.

        :raises LayoutRefused: see `begun`.
        """
        return self if count in (self.live, *self.beside) else self.begun(count, at=at)

    def begun(self, count: int, *, at: datetime) -> "Layouts":
        """
        Build another layout, or have the one that is kept become live again.

        :raises LayoutRefused: another one is being built, or this one is there or going.
        """
        if count == self.live:
            raise LayoutRefused(f"the read models have {count} already")
        if self.building:
            raise LayoutRefused(f"a layout of {self.building} is being built: drop it, or wait until it is live")
        if self.leaving:
            raise LayoutRefused(f"the layout of {self.leaving} is being dropped: wait until it is gone")
        if self.kept and self.kept != count:
            raise LayoutRefused(f"the layout of {self.kept} is still kept: drop it first")
        switches = max(self.switches + 1, round(at.timestamp() * 1_000))
        return Layouts(live=self.live, building=count, switches=switches)

    def numbered(self, switches: int) -> "Layouts":
        """Go on as after so many changes: who was at an earlier one, and has slept since, changes nothing any more."""
        return msgspec.structs.replace(self, switches=switches)

    def switched(self, *, until: datetime) -> "Layouts":
        """Have readers use the layout that was built, and keep the other one until then."""
        live, switches = self.building or self.live, self.switches + 1
        return Layouts(live=live, kept=self.live, until=until, switches=switches)

    def dropped(self) -> "Layouts":
        """
        Give up the layout beside the live one.

        :raises LayoutRefused: there is none.
        """
        if not self.beside:
            raise LayoutRefused("there is no layout beside the one that readers use")
        return Layouts(live=self.live, leaving=self.beside[0], switches=self.switches + 1)

    def gone(self) -> "Layouts":
        """Forget a layout whose keys are gone."""
        return Layouts(live=self.live, switches=self.switches + 1)

    def are_as(self, other: "Layouts") -> bool:
        """Whether the same layouts are there, however that came."""
        return self.numbered(other.switches) == other


def _named(count: int) -> str:
    return f"layout of {counted(count, 'partition')}"


_decode = msgspec.json.Decoder(Count | Layouts).decode


def recorded(record: bytes | None, live_at_home: bytes | None) -> Layouts | None:
    """
    Return what is recorded; None where nothing is known.

    Where nothing was recorded and something was filled, that was by a release that knew one partition.

    :param record: the values of `WHERE`.
    :raises LayoutsUnreadable: it cannot be read.
    """
    if record is None:
        return Layouts(live=1) if live_at_home else None
    try:
        found = _decode(record)
    except msgspec.DecodeError as error:
        raise LayoutsUnreadable(
            f"It cannot be read how the read models are divided ({HOME.partitions}: {error}): start the release that"
            " recorded it, or empty Redis, and this one fills it anew from the log"
        ) from error
    return Layouts(live=found) if isinstance(found, int) else found
