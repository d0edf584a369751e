"""What all commands share."""

from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import Meta

from write_side.domain.values import Text

NewId = Annotated[UUID | None, Meta(description="An id that was never used; without it, one is made.")]

_EMPTY, _NONE = b'""', msgspec.Raw(b"null")

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish to change something, decoded and checked field by field."""


def with_nulls(kind: type[Command], body: bytes) -> bytes:
    """Return a command in JSON with null in place of empty optional text: both mean none, as issuers send it."""
    if _EMPTY not in body:
        return body
    try:
        fields = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # decoding says what is wrong
    empty = {name: _NONE for name in optional_texts(kind) & fields.keys() if bytes(fields[name]) == _EMPTY}
    return _encode(fields | empty)


@cache
def optional_texts(kind: type[Command]) -> frozenset[str]:
    """Return the names of the fields that are text or null."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind) if _is_optional_text(field.type))


def _is_optional_text(type_: Any) -> bool:
    kinds = get_args(get_args(type_)[0] if get_origin(type_) is Annotated else type_)
    return NoneType in kinds and any(isinstance(each, type) and issubclass(each, Text) for each in kinds)
