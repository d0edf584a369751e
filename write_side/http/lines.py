"""The lines of a stream: cut, read as invocations, and answered."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from functools import partial
from uuid import UUID

import msgspec
from litestar.types import Scope
from msgspec import UNSET, UnsetType

from shared.http.middleware.auth import wait_for_rate_limit
from shared.http.parsing.bodies import fault_of, part_decoder
from shared.http.parsing.repeated_names import require_distinct_names
from shared.http.problems import NOT_JSON, TOO_LARGE
from shared.lines import LineSplitter
from shared.problems import INVALID, FieldError, Refusal
from write_side.domain.values import parse_value
from write_side.execution.invocation import Answer, Invocation
from write_side.execution.observation import Observation
from write_side.http.requests import HttpChannel, invocation_of
from write_side.ports import Place
from write_side.use_cases import USE_CASES, Command, UseCase, with_nulls

CHANNEL = HttpChannel("stream", is_bulk=True, route="/commands")
MAX_LINE_BYTES = 64 * 1024

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_BY_NAME = {
    each.name: (
        each,
        part_decoder(each.command, value_hook=parse_value, prepare=partial(with_nulls, each.command)),
    )
    for each in USE_CASES
}


class StreamedCommand(msgspec.Struct, frozen=True):
    """A line: the command's own fields, its name, and what a single request says in headers."""

    command: str
    idempotency_key: str | None = None
    if_match: str | None = None


_decode_about = part_decoder(StreamedCommand)


class AnsweredLine(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a line: its outcome if it was carried out, else what a problem says."""

    line: int
    status: int
    id: UUID | UnsetType = UNSET
    version: int | UnsetType = UNSET
    position: int | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    type: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    errors: tuple[FieldError, ...] | UnsetType = UNSET


class NumberedLine:
    """A line of a request, and whether the caller's rate has allowed it."""

    def __init__(self, number: int, text: bytes | None) -> None:
        self.number = number
        self.text = text
        self._is_allowed = False

    def size(self) -> int:
        return len(self.text or b"")

    async def take_from_rate(self, scope: Scope) -> None:
        if not self._is_allowed:
            await wait_for_rate_limit(scope)
            self._is_allowed = True


def read_line(line: bytes | None, *, scope: Scope, place: Place, observation: Observation) -> Invocation:
    """
    Return what a line asks for.

    :raises Refusal: it is too long, no JSON object, or its fields are wrong.
    """
    if line is None:
        raise Refusal(TOO_LARGE, f"A line is at most {MAX_LINE_BYTES} bytes")
    sent, fields = _take_apart(line)
    use_case, decode = _named(sent.command)
    observation.is_of(use_case)
    command = decode(fields)
    require_distinct_names(line)
    return invocation_of(
        use_case,
        command,
        scope=scope,
        key=sent.idempotency_key,
        if_match=sent.if_match,
        channel=CHANNEL,
        place=place,
    )


def _take_apart(line: bytes) -> tuple[StreamedCommand, bytes]:
    """Split a line into what it says about its command, and the command as a body of its own."""
    try:
        fields = _decode_object(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_an_object(line, error) from None
    about = {name: fields.pop(name) for name in StreamedCommand.__struct_fields__ if name in fields}
    return _decode_about(_encode(about)), _encode(fields)


def _named(name: str) -> tuple[UseCase, Callable[[bytes], Command]]:
    if name not in _BY_NAME:
        known = ", ".join(_BY_NAME)
        raise Refusal(INVALID, "There is no such command", errors=[FieldError("/command", f"must be one of {known}")])
    return _BY_NAME[name]


def _not_an_object(line: bytes, error: Exception) -> Refusal:
    try:
        msgspec.json.decode(line)
    except RecursionError:
        return Refusal(NOT_JSON, "The line is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        return Refusal(NOT_JSON, f"The line is not JSON: {fault_of(broken)}")
    return Refusal(INVALID, "A line must be one JSON object", errors=[FieldError("", str(error))])


def done(number: int, answer: Answer) -> AnsweredLine:
    outcome = answer.outcome
    return AnsweredLine(
        line=number,
        status=200,
        id=outcome.id,
        version=outcome.version,
        position=outcome.position,
        replayed=answer.replayed,
    )


def failed(number: int, refusal: Refusal) -> AnsweredLine:
    problem = refusal.problem
    return AnsweredLine(
        line=number,
        status=problem.status,
        type=problem.type,
        title=problem.title,
        detail=refusal.detail,
        errors=refusal.errors or UNSET,
    )


async def numbered(lines: AsyncIterable[bytes | None]) -> AsyncIterator[NumberedLine]:
    """Leave out lines of blanks, but count them."""
    number = 0
    async for text in lines:
        number += 1
        if text is None or text.strip():
            yield NumberedLine(number, text)


async def split_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes | None]:
    """Give lines without their ends; None stands for one that is too long."""
    splitter = LineSplitter(limit=MAX_LINE_BYTES)
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            yield line.text
    for line in splitter.end():
        yield line.text
