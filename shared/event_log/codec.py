"""What the log holds of an event, and how it is read."""

from typing import Union

import msgspec

from shared.event_log.ports import NOTHING_TOLD, Metadata, UnknownEvent
from shared.events import EVENTS, Event, Redacted

SCHEMA = 1
"""The number written beside each event; raised, with an upcaster here, when the meaning of a stored shape changes."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[(*EVENTS, Redacted)])

_metadata_decoder = msgspec.json.Decoder(Metadata)


def decode(data: bytes, *, type_name: str, schema: int) -> Event | UnknownEvent:
    """The event stored as `data`; never raises, since a reader must be able to name what it cannot read."""
    try:
        event = _decoder.decode(data)
    except msgspec.DecodeError as error:
        return UnknownEvent(type_name, schema, _too_new(schema) or str(error))
    if isinstance(event, Redacted):  # of which nothing is left that had a shape, whatever its schema was
        return msgspec.structs.replace(event, was=type_name)
    return UnknownEvent(type_name, schema, why) if (why := _too_new(schema)) else event


def _too_new(schema: int) -> str | None:
    return f"this release reads schema {SCHEMA} at most" if schema > SCHEMA else None


def decode_metadata(data: bytes) -> Metadata:
    """Where an event came from; what was redacted, or we cannot read, says nothing and stops nobody."""
    try:
        return _metadata_decoder.decode(data)
    except msgspec.DecodeError:
        return NOTHING_TOLD
