"""Objects in JSON, decoded by msgspec, with every wrong field named, whichever way they came."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

import msgspec

from shared.decoding.repeated_names import pointer_step, require_distinct_names
from shared.problems import INVALID, MOST_ERRORS, NOT_JSON, FieldError, Refusal

T = TypeVar("T", bound=msgspec.Struct)
ValueHook = Callable[[type[Any], Any], Any]
Prepare = Callable[[bytes], bytes]

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?:key` in `)?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEPS = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    """
    Make a function that decodes a body.

    It raises `Refusal`: 400 for what is not JSON or is nested too deeply, 422 with every wrong field
    (`MOST_ERRORS` of them at most), or with every name that stands twice.
    """
    decode = part_decoder(kind)

    def decode_body(body: bytes) -> T:
        decoded = decode(body)
        require_distinct_names(body)
        return decoded

    return decode_body


def part_decoder(
    kind: type[T], *, value_hook: ValueHook | None = None, prepare: Prepare = lambda body: body
) -> Callable[[bytes], T]:
    """Make the same for parts of what `require_distinct_names` looks through as a whole, once each is prepared."""
    decode = msgspec.json.Decoder(kind, dec_hook=value_hook).decode

    def decode_part(body: bytes) -> T:
        prepared = prepare(body)
        try:
            return decode(prepared)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _refusal(prepared, kind, value_hook, error) from None

    return decode_part


def fault_of(broken: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """Say why bytes are no JSON."""
    return "it is not in UTF-8" if isinstance(broken, UnicodeDecodeError) else str(broken)


def _refusal(body: bytes, kind: type[msgspec.Struct], hook: ValueHook | None, error: Exception) -> Refusal:
    try:
        raw = msgspec.json.decode(body)
    except RecursionError:
        return Refusal(NOT_JSON, "The body is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        return Refusal(NOT_JSON, f"The body is not JSON: {fault_of(broken)}")
    if not isinstance(raw, dict):
        return Refusal(INVALID, "The body must be one JSON object", errors=[FieldError("", "must be an object")])
    errors = list(islice(_wrong_fields(raw, kind, hook), MOST_ERRORS)) or [_field_error("", str(error))]
    named = ", ".join(dict.fromkeys(each.pointer for each in errors))
    return Refusal(INVALID, f"Not valid: {named}", errors=errors)


def _wrong_fields(raw: dict[str, Any], kind: type[msgspec.Struct], hook: ValueHook | None) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, field in fields.items():
        if name not in raw:
            if field.required:
                yield FieldError(pointer_step(name), "is required")
            continue
        try:
            # Through JSON, because `msgspec.convert` does not call the hook for the keys of an object.
            msgspec.json.decode(msgspec.json.encode(raw[name]), type=field.type, dec_hook=hook)
        except msgspec.ValidationError as error:
            yield _field_error(pointer_step(name), str(error))
    for name in raw:
        if name not in fields:
            yield FieldError(pointer_step(name), "is not a field here")


def _field_error(base: str, message: str) -> FieldError:
    match = _PATH.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    steps = "".join(pointer_step(name or index) for name, index in _STEPS.findall(path.replace("[...]", "")))
    return FieldError(base + steps, what)
