"""`POST /commands`: a stream of commands, one a line, each answered with a line as it is done."""

from collections import deque
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from http import HTTPStatus

import msgspec
from litestar import post
from litestar.types import ASGIApp, Scope

from shared.auth.authentication import Authentication
from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.middleware.auth import UNAUTHORIZED, UNVERIFIABLE, caller
from shared.http.parsing.bodies import ClientGone, body_chunks, require_media_type
from shared.http.parsing.negotiation import require_acceptable
from shared.http.requests import AnyRequest, header, request_id
from shared.observability.logging import log_defect
from shared.problems import INTERNAL_ERROR, Problem, Refusal
from shared.runtime.read_ahead import ReadAhead, reading_ahead
from shared.server.shutdown import Stopped, StopSignal
from write_side.execution.endings import Ending
from write_side.execution.executor import CommandExecutor
from write_side.execution.in_order import MOST_AT_ONCE, InOrder
from write_side.execution.invocation import Invocation
from write_side.execution.messages import MAX_MESSAGE_BYTES
from write_side.execution.observation import Observation, observed
from write_side.http.duplex import NoRoom, WaitingAnswers, duplex
from write_side.http.lines import CHANNEL, NumberedLine, answered, numbered, read_line, split_lines
from write_side.ports import NotYet, Place

NDJSON = "application/x-ndjson"
BYTES_AT_ONCE = MAX_MESSAGE_BYTES
"""Of the lines that are carried out at once, and of those that are read ahead of them."""

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


@post(CHANNEL.route, status_code=200)
async def stream_route(request: AnyRequest, services: Services) -> ASGIApp:
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
    sent = split_lines(stopping.until_requested(body_chunks(request.receive)))
    state = request.app.state
    return duplex(partial(lines.carry_out, sent), media_type=NDJSON, room=state.disk_room, limits=state.answer_limits)


class CommandLines:
    """
    Carries out the lines of one request in order; each is atomic by itself and sees all before it.

    Lines that have come are carried out at once, so that they can share a transaction. One is answered only once those
    before it are: what would depend on them is carried out again behind them.

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
        self._in_order = InOrder(self._ending)

    async def carry_out(self, lines: AsyncIterable[bytes | None], answers: WaitingAnswers) -> None:
        self._number = 0
        try:
            read = reading_ahead(numbered(lines), most=MOST_AT_ONCE, size=NumberedLine.size, room=BYTES_AT_ONCE)
            async with read as ahead:
                while some := await ahead.some(MOST_AT_ONCE):
                    await self._carry_out_some(deque(some), ahead, answers)
        except (Stopped, NoRoom) as ended:
            problem = STOPPING if isinstance(ended, Stopped) else ANSWERS_UNREAD
            refusal = Refusal(problem, "Neither this line nor any after it was carried out")
            answers.put_last(msgspec.json.encode(answered(self._number + 1, refusal)) + b"\n")
        except ClientGone:
            return

    async def _carry_out_some(
        self, lines: deque[NumberedLine], ahead: ReadAhead[NumberedLine], answers: WaitingAnswers
    ) -> None:
        """Carry out lines, and those that come meanwhile, up to one that depends on those before it."""
        self._stopping.raise_if_requested()
        no_room = list[NoRoom]()

        def more(most: int) -> Sequence[NumberedLine]:
            some = [] if no_room or self._stopping.is_requested else ahead.more(most)
            lines.extend(some)
            return some

        async with aclosing(self._in_order.begin([*lines], more)) as endings:
            async for ending in endings:
                line = lines.popleft()
                ahead.done(line)
                self._number = line.number
                try:
                    await answers.put(msgspec.json.encode(answered(line.number, ending)) + b"\n")
                except NoRoom as error:  # it is kept; and so must be those that took effect together with it
                    no_room.append(error)
        ahead.put_back(lines)
        if no_room:
            raise no_room[0]

    async def _ending(self, line: NumberedLine, place: Place) -> Ending:
        """:raises NotYet: those before it have to be answered first."""
        await line.take_from_rate(self._scope)
        if self._halted is None:
            self._halted = self._forbidden(line.number)
        if self._halted is not None:
            return self._halted
        try:
            with observed(CHANNEL, traceparent=self._traceparent) as observation:
                invocation = self._read_in_turn(line.text, place, observation)
                return await self._executor.execute(invocation, observation)
        except NotYet:
            raise
        except Refusal as refusal:
            return self._refused(line.number, refusal)
        except Exception as defect:  # noqa: BLE001 - as for a single command; the lines after it go on
            log_defect(defect, request_id=request_id(self._scope))
            return Refusal(INTERNAL_ERROR, "The line failed; nothing more is said here")

    def _forbidden(self, number: int) -> Refusal | None:
        try:
            if self._may_go_on():
                return None
        except Unavailable as error:
            return Refusal(UNVERIFIABLE, f"As of line {number}: {error}")
        return Refusal(UNAUTHORIZED, f"The token is not good any more as of line {number}")

    def _refused(self, number: int, refusal: Refusal) -> Refusal:
        if refusal.problem.status == HTTPStatus.SERVICE_UNAVAILABLE and self._halted is None:
            self._halted = Refusal(NOT_REACHED, f"Line {number} could not be carried out, so this one was not tried")
        return refusal

    def _read_in_turn(self, line: bytes | None, place: Place, observation: Observation) -> Invocation:
        """:raises NotYet: it will be refused, and counted, once those before it are answered."""
        try:
            return read_line(line, scope=self._scope, place=place, observation=observation)
        except Refusal as refusal:
            if place.number > place.window.next:
                raise NotYet from refusal
            raise
