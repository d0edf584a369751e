"""Objects in JSON whose names are all different: of two values for one name, each reader takes the one it likes."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from shared.problems import INVALID, MOST_ERRORS, FieldError, Refusal


class _RepeatedName(Exception):
    """An object has two members of one name."""


class _Members(list[tuple[str, Any]]):
    """The members of an object, also those of one name."""


def _require_distinct(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) < len(members):
        raise _RepeatedName


_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
_decode_distinct = json.JSONDecoder(object_pairs_hook=_require_distinct, parse_int=str).decode


def require_distinct_names(body: bytes) -> None:
    """
    Require that no name stands twice in one object: RFC 8259, section 4, leaves open which counts.

    :param body: an object that was decoded before.
    :raises Refusal: 422, one does.
    """
    # Each member takes a colon: as many colons as there are different names leave none for a name that stands twice.
    colons = body.count(b":")
    if colons == len(_decode_names(body)):
        return
    if b"\\" not in body and colons == _colons_anew(body):  # a backslash may stand for one
        return
    try:
        _decode_distinct(str(body, "utf-8"))
    except _RepeatedName:
        members = json.loads(body, object_pairs_hook=_Members, parse_int=str)
        errors = [FieldError(pointer, "stands here twice") for pointer in islice(_repeated(members, ""), MOST_ERRORS)]
        named = ", ".join(dict.fromkeys(each.pointer for each in errors))
        raise Refusal(INVALID, f"Said twice: {named}", errors=errors) from None


def _colons_anew(body: bytes) -> int:
    """Return how many colons an object has once it is decoded and encoded: of two members of one name, one's."""
    try:
        return _encode(_decode(body)).count(b":")
    except msgspec.DecodeError:  # a number that is too long to be decoded without a type
        return 0


def _repeated(value: object, at: str) -> Iterator[str]:
    """Yield where a name stands again, as JSON Pointers."""
    named: set[str] = set()
    for name, inner in value if isinstance(value, _Members) else ():
        place = at + pointer_step(name)
        if name in named:
            yield place
        named.add(name)
        yield from _repeated(inner, place)
    for index, inner in enumerate(value) if type(value) is list else ():
        yield from _repeated(inner, f"{at}/{index}")


def pointer_step(step: str) -> str:
    """Return one step of a JSON Pointer (RFC 6901, section 3)."""
    return "/" + step.replace("~", "~0").replace("/", "~1")
