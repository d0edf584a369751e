"""Reading sheets: which of many candidates fit what is asked for, and where they stand."""

from collections.abc import Sequence

import msgspec

from read_side.adapters.redis.lists.query import Asked
from read_side.adapters.redis.transport.reads import Fields
from read_side.views import ReadModelUnavailable
from shared.read_model.ordering import Sheet, name_at

SHEETS = "sheet"
"""What a view that has lists calls the hash of its sheets."""

_decode = msgspec.msgpack.Decoder(Sheet).decode


def fields(of: str, ids: Sequence[bytes]) -> Fields:
    """Ask for what a hash has of these ids."""
    return Fields(of, tuple(name_at(each).encode() for each in ids))


def places(asked: Asked, ids: Sequence[bytes], sheets: Sequence[bytes | None]) -> list[bytes | None]:
    """Where each of these records stands; None for those that do not fit, or are not there."""
    return [
        None if sheet is None else asked.place_of(_read(sheet), own) for own, sheet in zip(ids, sheets, strict=True)
    ]


def _read(sheet: bytes) -> Sheet:
    try:
        return _decode(sheet)
    except msgspec.MsgspecError as error:
        raise ReadModelUnavailable("A sheet cannot be read") from error
