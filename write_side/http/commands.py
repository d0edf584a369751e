"""
`POST /commands/<name>`: one route a use case.

They are answered past the framework, whose routing and calling of a handler costs as much as carrying a command out.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import svcs
from litestar import Litestar
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from shared.http.parsing.bodies import BodyReader, require_media_type
from shared.http.parsing.negotiation import require_acceptable
from shared.http.problems import require_method, send_error
from shared.http.requests import header, send_whole
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Invocation
from write_side.execution.messages import CommandMessage, decode_fields, version_in, well_formed_key
from write_side.execution.observation import observed
from write_side.http.requests import HttpChannel, invocation_of
from write_side.ports import Answer
from write_side.use_cases import UseCase

_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotency-replayed", b"true")

_encode = msgspec.json.Encoder().encode


class CommandRoute:
    """Answers one route, which is derived from a use case."""

    def __init__(self, use_case: UseCase) -> None:
        self.path = f"/commands/{use_case.name}"
        self._use_case = use_case
        self._channel = HttpChannel("http", route=self.path)

    async def answer(
        self, scope: HTTPScope, receive: Receive, send: Send, *, executor: CommandExecutor, bodies: BodyReader
    ) -> None:
        scope["muster_route"] = self.path  # type: ignore[typeddict-unknown-key] # see shared.http.middleware.exchange
        try:
            require_method(scope, "POST", allow="POST")
            with observed(self._channel, traceparent=header(scope, b"traceparent")) as observation:
                observation.is_of(self._use_case)
                invocation = await self._read(scope, receive, bodies)
                answer = await executor.execute(invocation, observation)
        except Exception as error:  # noqa: BLE001 - a defect is answered, and logged
            await send_error(error, scope, send)
        else:
            await _send(answer, send)

    async def _read(self, scope: HTTPScope, receive: Receive, bodies: BodyReader) -> Invocation:
        require_media_type(scope, "application/json")
        require_acceptable(scope, "application/json")
        message = CommandMessage(
            self._use_case,
            decode_fields(self._use_case, await bodies.read(scope, receive)),
            well_formed_key(header(scope, b"idempotency-key")),
            version_in(header(scope, b"if-match")),
        )
        return invocation_of(message, scope=scope, channel=self._channel)


async def _send(answer: Answer, send: Send) -> None:
    outcome = answer.outcome
    headers = [_JSON, (b"muster-position", b"%d" % outcome.position), (b"etag", b'"%d"' % outcome.version)]
    if answer.replayed:
        headers.append(_REPLAYED)
    await send_whole(send, _encode(outcome), status=200, headers=headers)


class DirectCommands:
    """Leads commands to their routes, and everything else to the framework."""

    def __init__(self, use_cases: Sequence[UseCase]) -> None:
        self._routes = {route.path: route for route in map(CommandRoute, use_cases)}
        self._executor: CommandExecutor
        self._bodies: BodyReader

    @asynccontextmanager
    async def lifespan(self, app: Litestar) -> AsyncIterator[None]:
        """Have commands carried out by the executor of an application."""
        async with svcs.Container(app.state.registry) as container:
            self._executor, self._bodies = await container.aget(CommandExecutor), app.state.bodies
            yield

    def around(self, app: ASGIApp) -> ASGIApp:
        """Make what answers commands by itself, and everything else by an application."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if (route := self._routes.get(scope.get("path", ""))) is None:  # a lifespan has none
                await app(scope, receive, send)
            else:
                await route.answer(scope, receive, send, executor=self._executor, bodies=self._bodies)  # type: ignore[arg-type] # it is HTTP

        return answer
