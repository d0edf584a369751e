"""`POST /commands/<name>`: one route a use case."""

from typing import Any

from litestar import Request, Response, post

from shared.http.bodies import body_of, decoder, require_media_type
from shared.http.containers import Services
from shared.http.health import json
from shared.http.negotiation import require_acceptable
from shared.http.requests import header
from write_side.domain.values import parse_value
from write_side.execution.executor import CommandRunner
from write_side.execution.observation import observed
from write_side.http.problems import REFUSALS, rejection_of
from write_side.http.requests import Retention, context_of
from write_side.ports import Answer
from write_side.use_cases import UseCase


def command_route(use_case: UseCase) -> Any:
    """The route of one command, derived from its use case."""
    decode = decoder(use_case.command, value_hook=parse_value)

    @post(f"/commands/{use_case.name}", status_code=200)
    async def handle(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
        with observed(request.scope) as observation:
            observation.is_of(use_case)
            try:
                answer = await carry_out(request, services)
            except REFUSALS as refusal:
                raise rejection_of(refusal) from refusal
            observation.answered(answer)
            return _answer(answer)

    async def carry_out(request: Request[Any, Any, Any], services: Services) -> Answer:
        require_media_type(request.scope, "application/json")
        require_acceptable(request.scope, "application/json")
        command = decode(await body_of(request))
        runner, retention = await services.aget(CommandRunner, Retention)
        context = context_of(
            use_case,
            command,
            scope=request.scope,
            key=header(request.scope, b"idempotency-key"),
            if_match=header(request.scope, b"if-match"),
            keep_for=retention.requests,
        )
        return await runner.run(use_case, command, context)

    return handle


def _answer(answer: Answer) -> Response[bytes]:
    outcome = answer.outcome
    headers = {"Muster-Position": str(outcome.position), "ETag": f'"{outcome.version}"'}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json(outcome, headers=headers)
