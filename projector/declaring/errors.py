"""Why a fold cannot go on."""

from typing import Self

from shared.errors import Unsound
from shared.event_log import RecordedEvent


class EventNotFoldable(Unsound):
    """An event is of an unknown type, or cannot be parked."""

    @classmethod
    def of(cls, projection: str, recorded: RecordedEvent, why: str) -> Self:
        return cls(
            f"projection {projection} cannot fold the event at position {recorded.position}"
            f" ({recorded.aggregate} {recorded.aggregate_id}, version {recorded.version}): {why};"
            " deploy a projector that can"
        )
