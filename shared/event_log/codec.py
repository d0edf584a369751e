"""What the log holds of an event, and how it is read."""

from typing import Union

import msgspec

from shared.event_log.log import Metadata, UnknownEvent
from shared.events import EVENTS, Event

SCHEMA = 1
"""The number written beside each event; raised, with an upcaster here, when the meaning of a stored shape changes."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[EVENTS])  # noqa: UP007 - a union made of a tuple

_metadata_decoder = msgspec.json.Decoder(Metadata)


def decode(data: bytes, *, type_name: str, schema: int) -> Event | UnknownEvent:
    """The event stored as `data`; never raises, since a reader must be able to name what it cannot read."""
    if schema > SCHEMA:
        return UnknownEvent(type_name, schema, f"this release reads schema {SCHEMA} at most")
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        return UnknownEvent(type_name, schema, str(error))


def decode_metadata(data: bytes) -> Metadata:
    """Where an event came from; what others wrote and we cannot read says nothing, and stops nobody."""
    try:
        return _metadata_decoder.decode(data)
    except msgspec.DecodeError:
        return Metadata(command="", actor="", correlation="")
