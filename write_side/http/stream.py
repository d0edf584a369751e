"""`POST /commands`: a stream of commands, one a line, each answered with a line as it is done."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp, Scope
from msgspec import UNSET, UnsetType

from shared.auth.authentication import Authentication
from shared.errors import Unavailable
from shared.http.auth_middleware import UNAUTHORIZED, UNVERIFIABLE, caller, wait_for_rate_limit
from shared.http.bodies import ClientGone, body_chunks, part_decoder, require_media_type
from shared.http.containers import Services
from shared.http.negotiation import require_acceptable
from shared.http.problems import NOT_JSON, TOO_LARGE, log_defect
from shared.http.repeated_names import require_distinct_names
from shared.http.requests import header, request_id
from shared.lines import LineSplitter
from shared.problems import INTERNAL_ERROR, INVALID, FieldError, Problem, Refusal
from shared.server.shutdown import Stopped, StopSignal
from write_side.domain.values import parse_value
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Answer, Invocation
from write_side.execution.observation import Observation, observed
from write_side.http.duplex import NoRoom, WaitingAnswers, duplex
from write_side.http.requests import HttpChannel, invocation_of
from write_side.use_cases import USE_CASES, Command, UseCase, with_nulls

NDJSON = "application/x-ndjson"
CHANNEL = HttpChannel("stream", is_bulk=True, route="/commands")
MAX_LINE_BYTES = 64 * 1024

NOT_REACHED = Problem(
    "not-reached",
    503,
    "A line before it could not be carried out",
    "Lines are carried out in order. Send them again from the first that was answered with 503, with the same "
    "idempotency keys.",
)
STOPPING = Problem(
    "stopping",
    503,
    "The service is stopping",
    "Send this line and those after it again, with the same idempotency keys: another process takes them, or this one "
    "once it is back.",
)
ANSWERS_UNREAD = Problem(
    "answers-unread",
    503,
    "The answers to a stream take too much room",
    "Send this line and those after it again, with the same idempotency keys, and read answers while you send; or send "
    "fewer lines at once. Operators: see that there is room in the directory for temporary files (TMPDIR).",
)
PROBLEMS = (NOT_REACHED, STOPPING, ANSWERS_UNREAD)
"""Of a stream, and of nothing else."""

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


@post(CHANNEL.route, status_code=200, request_max_body_size=None)
async def stream_route(request: Request[Any, Any, Any], services: Services) -> ASGIApp:
    require_media_type(request.scope, NDJSON)
    require_acceptable(request.scope, NDJSON)
    authentication = await services.aget_abstract(Authentication)
    stopping: StopSignal = request.app.state.stopping
    lines = CommandLines(
        executor=await services.aget(CommandExecutor),
        scope=request.scope,
        may_go_on=partial(authentication.stands, caller(request.scope)),
        stopping=stopping,
    )
    sent = split_lines(stopping.until_requested(body_chunks(request)))
    state = request.app.state
    return duplex(partial(lines.carry_out, sent), media_type=NDJSON, room=state.disk_room, limits=state.answer_limits)


class CommandLines:
    """
    Carries out the lines of one request in order; each is atomic by itself and sees all before it.

    Once a line could not be carried out for want of the database (503), none after it is: the client will send it
    again, and would otherwise find it done after those that were to follow it. Nor is any once its token is no longer
    good: a request may last for long. When the process is to stop, or answers that are not read have no more room, the
    line that is being carried out is the last but one to be answered, and the answer ends.
    """

    def __init__(
        self, *, executor: CommandExecutor, scope: Scope, may_go_on: Callable[[], bool], stopping: StopSignal
    ) -> None:
        self._executor = executor
        self._scope = scope
        self._traceparent = header(scope, b"traceparent")
        self._may_go_on = may_go_on
        self._stopping = stopping
        self._halted: Refusal | None = None

    async def carry_out(self, lines: AsyncIterable[bytes | None], answers: WaitingAnswers) -> None:
        number = 0
        try:
            async for line in lines:
                self._stopping.raise_if_requested()
                number += 1
                if line is None or line.strip():
                    await answers.put(_encode(await self._answer(number, line)) + b"\n")
        except (Stopped, NoRoom) as ended:
            problem = STOPPING if isinstance(ended, Stopped) else ANSWERS_UNREAD
            refusal = Refusal(problem, "Neither this line nor any after it was carried out")
            answers.put_last(_encode(_failed(number + 1, refusal)) + b"\n")
        except ClientGone:
            return

    async def _answer(self, number: int, line: bytes | None) -> AnsweredLine:
        await wait_for_rate_limit(self._scope)
        if self._halted is None:
            self._halted = self._forbidden(number)
        if self._halted is not None:
            return _failed(number, self._halted)
        try:
            with observed(CHANNEL, traceparent=self._traceparent) as observation:
                invocation = self._read(line, observation)
                return _done(number, await self._executor.execute(invocation, observation))
        except Refusal as refusal:
            return _failed(number, self._refused(number, refusal))
        except Exception as defect:  # noqa: BLE001 - as for a single command; the lines after it go on
            log_defect(defect, request_id=request_id(self._scope))
            return _failed(number, Refusal(INTERNAL_ERROR, "The line failed; nothing more is said here"))

    def _forbidden(self, number: int) -> Refusal | None:
        try:
            if self._may_go_on():
                return None
        except Unavailable as error:
            return Refusal(UNVERIFIABLE, f"As of line {number}: {error}")
        return Refusal(UNAUTHORIZED, f"The token is not good any more as of line {number}")

    def _refused(self, number: int, refusal: Refusal) -> Refusal:
        if refusal.problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self._halted = Refusal(NOT_REACHED, f"Line {number} could not be carried out, so this one was not tried")
        return refusal

    def _read(self, line: bytes | None, observation: Observation) -> Invocation:
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
            scope=self._scope,
            key=sent.idempotency_key,
            if_match=sent.if_match,
            channel=CHANNEL,
        )


def _take_apart(line: bytes) -> tuple[StreamedCommand, bytes]:
    """What a line says about its command, and the command as a body of its own."""
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
        return Refusal(NOT_JSON, f"The line is not JSON: {broken}")
    return Refusal(INVALID, "A line must be one JSON object", errors=[FieldError("", str(error))])


def _done(number: int, answer: Answer) -> AnsweredLine:
    outcome = answer.outcome
    return AnsweredLine(
        line=number,
        status=200,
        id=outcome.id,
        version=outcome.version,
        position=outcome.position,
        replayed=answer.replayed,
    )


def _failed(number: int, refusal: Refusal) -> AnsweredLine:
    problem = refusal.problem
    return AnsweredLine(
        line=number,
        status=problem.status,
        type=problem.type,
        title=problem.title,
        detail=refusal.detail,
        errors=refusal.errors or UNSET,
    )


async def split_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes | None]:
    """Give lines without their ends; None stands for one that is too long."""
    splitter = LineSplitter(limit=MAX_LINE_BYTES)
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            yield line.text
    for line in splitter.end():
        yield line.text
