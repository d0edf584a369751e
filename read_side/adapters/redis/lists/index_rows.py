"""Reading index rows: which of many candidates fit what is asked for, and where they stand."""

from collections.abc import Sequence

import msgspec

from read_side.adapters.redis.lists.query import ListQuery
from read_side.adapters.redis.transport.reads import Fields
from shared.errors import Unavailable
from shared.read_model.ordering import IndexRow, name_at

INDEX_ROWS = "index rows"
"""What a view that has lists calls the hash of its index rows."""

_decode = msgspec.msgpack.Decoder(IndexRow).decode


def fields(of: str, ids: Sequence[bytes]) -> Fields:
    """Ask for what a hash has of these ids."""
    return Fields(of, tuple(name_at(each).encode() for each in ids))


def places(asked: ListQuery, ids: Sequence[bytes], index_rows: Sequence[bytes | None]) -> list[bytes | None]:
    """Where each of these records stands; None for those that do not fit, or are not there."""
    return [
        None if index_row is None else asked.place_of(_read(index_row), own)
        for own, index_row in zip(ids, index_rows, strict=True)
    ]


def _read(index_row: bytes) -> IndexRow:
    try:
        return _decode(index_row)
    except msgspec.MsgspecError as error:
        raise Unavailable("An index row cannot be read") from error
