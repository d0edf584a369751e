"""A command as a message: its fields in one JSON object, and what is said of it besides, whichever way it came."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from shared.decoding.objects import fault_of, part_decoder
from shared.decoding.repeated_names import require_distinct_names
from shared.problems import INVALID, NOT_JSON, TOO_LARGE, FieldError, Refusal
from write_side.domain.values import parse_value
from write_side.use_cases import USE_CASES, Command, UseCase, with_nulls

MAX_MESSAGE_BYTES = 64 * 1024

_KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_VERSION = re.compile(r'"([0-9]{1,18})"').fullmatch

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_part_decoders: Mapping[str, Callable[[bytes], Command]] = {
    each.name: part_decoder(each.command, value_hook=parse_value, prepare=partial(with_nulls, each.command))
    for each in USE_CASES
}
_BY_NAME = {each.name: each for each in USE_CASES}


class StreamedCommand(msgspec.Struct, frozen=True):
    """A message: the command's own fields, its name, and what a single request says in headers."""

    command: str
    idempotency_key: str | None = None
    if_match: str | None = None


class CommandMessage(NamedTuple):
    """
    A command, decoded and checked.

    :param key: the idempotency key that was sent, if one was.
    :param expected_version: of the aggregate before the command.
    """

    use_case: UseCase
    command: Command
    key: str | None
    expected_version: int | None


_decode_about = part_decoder(StreamedCommand)


def decode_fields(use_case: UseCase, body: bytes) -> Command:
    """
    Decode the fields of one command.

    :raises Refusal: 400 for what is no JSON or is nested too deeply, 422 with every wrong field, or with every name
        that stands twice.
    """
    command = _part_decoders[use_case.name](body)
    require_distinct_names(body)
    return command


def read_message(message: bytes | None, *, note: Callable[[UseCase], None]) -> CommandMessage:
    """
    Return what a message asks for.

    :param message: a JSON object; None stands for one that is too long.
    :param note: is called with the use case as soon as it is known.
    :raises Refusal: it is too long, no JSON object, or its fields are wrong.
    """
    if message is None or len(message) > MAX_MESSAGE_BYTES:
        raise Refusal(TOO_LARGE, f"A line is at most {MAX_MESSAGE_BYTES} bytes")
    about, fields = _take_apart(message)
    use_case = named(about.command)
    note(use_case)
    command = _part_decoders[use_case.name](fields)
    require_distinct_names(message)
    return CommandMessage(use_case, command, well_formed_key(about.idempotency_key), version_in(about.if_match))


def named(name: str) -> UseCase:
    """:raises Refusal: 422, there is no command of this name."""
    if name not in _BY_NAME:
        known = ", ".join(_BY_NAME)
        raise Refusal(INVALID, "There is no such command", errors=[FieldError("/command", f"must be one of {known}")])
    return _BY_NAME[name]


def well_formed_key(key: str | None) -> str | None:
    """:raises Refusal: 422, it is no idempotency key."""
    if key is not None and not _KEY(key):
        raise _invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    return key


def version_in(if_match: str | None) -> int | None:
    """:raises Refusal: 422, it is no version in quotes."""
    if if_match is None:
        return None
    if not (version := _VERSION(if_match)):
        raise _invalid("If-Match", 'must be one version in quotes, such as "3"')
    return int(version[1])


def _take_apart(message: bytes) -> tuple[StreamedCommand, bytes]:
    """Split a message into what it says about its command, and the command as a body of its own."""
    try:
        fields = _decode_object(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_an_object(message, error) from None
    about = {name: fields.pop(name) for name in StreamedCommand.__struct_fields__ if name in fields}
    return _decode_about(_encode(about)), _encode(fields)


def _not_an_object(message: bytes, error: Exception) -> Refusal:
    try:
        msgspec.json.decode(message)
    except RecursionError:
        return Refusal(NOT_JSON, "The line is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        return Refusal(NOT_JSON, f"The line is not JSON: {fault_of(broken)}")
    return Refusal(INVALID, "A line must be one JSON object", errors=[FieldError("", str(error))])


def _invalid(name: str, detail: str) -> Refusal:
    return Refusal(INVALID, f"{name} {detail}", errors=[FieldError(name, detail)])
