"""`POST /commands/<name>`: one route a use case."""

from typing import Any

from litestar import Request, Response, post

from shared.http.containers import Services
from shared.http.health import json
from shared.http.parsing.bodies import body_of, require_media_type
from shared.http.parsing.negotiation import require_acceptable
from shared.http.requests import header
from write_side.execution.executor import CommandExecutor
from write_side.execution.invocation import Answer, Invocation
from write_side.execution.messages import CommandMessage, decode_fields, version_in, well_formed_key
from write_side.execution.observation import observed
from write_side.http.requests import HttpChannel, invocation_of
from write_side.use_cases import UseCase


def command_route(use_case: UseCase) -> Any:
    """Derive the route of one command from its use case."""
    route = f"/commands/{use_case.name}"
    channel = HttpChannel("http", route=route)

    @post(route, status_code=200)
    async def handle(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
        with observed(channel, traceparent=header(request.scope, b"traceparent")) as observation:
            observation.is_of(use_case)
            invocation = await read(request)
            executor = await services.aget(CommandExecutor)
            return _answer(await executor.execute(invocation, observation))

    async def read(request: Request[Any, Any, Any]) -> Invocation:
        require_media_type(request.scope, "application/json")
        require_acceptable(request.scope, "application/json")
        message = CommandMessage(
            use_case,
            decode_fields(use_case, await body_of(request)),
            well_formed_key(header(request.scope, b"idempotency-key")),
            version_in(header(request.scope, b"if-match")),
        )
        return invocation_of(message, scope=request.scope, channel=channel)

    return handle


def _answer(answer: Answer) -> Response[bytes]:
    outcome = answer.outcome
    headers = {"Muster-Position": str(outcome.position), "ETag": f'"{outcome.version}"'}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json(outcome, headers=headers)
