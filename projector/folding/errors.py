"""Why a fold cannot go on."""

from shared.errors import Unsound


class EventNotFoldable(Unsound):
    """An event is of an unknown type, or cannot be parked."""
