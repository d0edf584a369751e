"""Decodes what the log holds of an event."""

from typing import Union

import msgspec

from shared.event_log.ports import UNKNOWN_ORIGIN, Metadata, UnknownEvent
from shared.events import EVENTS, Event, Redacted, type_of
from shared.events.upcasters import schema_of, upcast

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[(*EVENTS, Redacted)])

_metadata_decoder = msgspec.json.Decoder(Metadata)


def decode(data: bytes, *, type_name: str, schema: int) -> Event | UnknownEvent:
    """Decode an event in the current shape or a former one; never raises: a reader must be able to name what it met."""
    current = schema_of(type_name)
    if schema < current:
        try:
            data = _upcast(data, type_name, schema)
        except Exception as error:  # noqa: BLE001 - whatever an upcaster raises; its text may quote people's data
            return UnknownEvent(type_name, schema, f"its upcaster fails with {type(error).__name__}")
    try:
        event = _decoder.decode(data)
    except msgspec.DecodeError as error:
        return UnknownEvent(type_name, schema, _too_new(current) if schema > current else str(error))
    if isinstance(event, Redacted):  # of which nothing is left that had a shape, whatever its schema was
        return msgspec.structs.replace(event, was=type_name)
    return event if schema <= current else UnknownEvent(type_name, schema, _too_new(current))


def _upcast(data: bytes, type_name: str, schema: int) -> bytes:
    shape = msgspec.json.decode(data)
    if shape["type"] == type_of(Redacted):
        return data
    return msgspec.json.encode(upcast(shape, type_name=type_name, schema=schema))


def _too_new(current: int) -> str:
    return f"this release reads schema {current} of it at most"


def decode_metadata(data: bytes) -> Metadata:
    """Return where an event came from; `UNKNOWN_ORIGIN` where it was redacted or cannot be read."""
    try:
        return _metadata_decoder.decode(data)
    except msgspec.DecodeError:
        return UNKNOWN_ORIGIN
