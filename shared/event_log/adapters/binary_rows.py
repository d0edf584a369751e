"""Rows of the event log as COPY gives them in PostgreSQL's binary format: numbers and ids need no parsing."""

from datetime import UTC, datetime, timedelta
from struct import Struct
from uuid import UUID

import msgspec

from shared.event_log.codec import decode, decode_metadata
from shared.event_log.ports import RecordedEvent

COLUMNS = "position, event_id, aggregate_id, version, schema, occurred_at, aggregate, type, data, metadata"
"""Those of a fixed size first."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_fixed = Struct(">2x4xq4x16s4x16s4xi4xi4xqi")
"""What is in each field, without their number and lengths, then the length of the first that varies."""
_length = Struct(">i").unpack_from
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

_uuid = msgspec.msgpack.Decoder(UUID).decode
_UUID = b"\xc4\x10"
"""What stands before one in MessagePack, from which it is made in a third of the time that its class takes."""


def recorded_in(row: bytes) -> RecordedEvent | None:
    """Decode one message of COPY; None for the one that ends it."""
    row = row.removeprefix(_HEADER)
    if row == _END:
        return None
    position, event_id, aggregate_id, version, schema, microseconds, size = _fixed.unpack_from(row)
    type_at = _fixed.size + size + 4
    data_at = type_at + _length(row, type_at - 4)[0] + 4
    metadata_at = data_at + _length(row, data_at - 4)[0] + 4
    type_name = row[type_at : data_at - 4].decode()
    return RecordedEvent(
        position=position,
        event_id=_uuid(_UUID + event_id),
        aggregate=row[_fixed.size : type_at - 4].decode(),
        aggregate_id=_uuid(_UUID + aggregate_id),
        version=version,
        event=decode(row[data_at : metadata_at - 4], type_name=type_name, schema=schema),
        metadata=decode_metadata(row[metadata_at:]),
        occurred_at=_EPOCH + timedelta(microseconds=microseconds),
    )
