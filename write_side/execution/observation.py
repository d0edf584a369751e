"""Each command is counted, timed and traced, whichever way it came."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from time import perf_counter

from litestar.exceptions import HTTPException
from litestar.types import Scope
from opentelemetry.trace import Span, StatusCode

from shared.http.problems import Rejection, framework_problem
from shared.http.requests import header
from shared.observability.tracing import command_span
from shared.problems import INTERNAL_ERROR, Problem
from write_side.execution.metrics import COMMAND_SECONDS, COMMANDS
from write_side.http.problems import PROBLEM_OF
from write_side.ports import Answer
from write_side.use_cases import USE_CASES, UseCase

UNKNOWN = "unknown"
"""The command of a line that names none we know: what a client made up is no label."""


SERIOUS = ("internal-error", "storage-unavailable", "outcome-unknown", "overloaded")
"""There from the start, at 0: from a sample that was not there before, Prometheus sees no increase."""
for _name in (UNKNOWN, *(use_case.name for use_case in USE_CASES)):
    for _outcome in SERIOUS:
        COMMANDS.labels(_name, _outcome)


class Observed:
    """A command that is being carried out, and what is known of it so far."""

    def __init__(self, span: Span, *, route: str) -> None:
        self.command = UNKNOWN
        self.outcome = "done"
        self._status = int(HTTPStatus.OK)
        self._span = span
        self._route = route

    def is_of(self, use_case: UseCase) -> None:
        self.command = use_case.name
        self._span.update_name(use_case.name)

    def answered(self, answer: Answer) -> None:
        self.outcome = "replayed" if answer.replayed else "done"
        self._span.set_attribute("muster.id", str(answer.outcome.id))
        self._span.set_attribute("muster.position", answer.outcome.position)

    def met(self, problem: Problem) -> None:
        self.outcome = problem.name
        self._status = problem.status
        self._span.set_attribute("error.type", problem.name)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._span.set_status(StatusCode.ERROR)

    def close(self, *, seconds: float) -> None:
        COMMANDS.labels(self.command, self.outcome).inc()
        COMMAND_SECONDS.labels(self.command).observe(seconds)
        self._span.set_attributes(
            {
                "http.request.method": "POST",
                "http.route": self._route,
                "http.response.status_code": self._status,
                "muster.command": self.command,
                "muster.outcome": self.outcome,
            }
        )


@contextmanager
def observed(scope: Scope) -> Iterator[Observed]:
    """Observe one command of a request, from here to the end of the block and whatever is raised in it."""
    began = perf_counter()
    with command_span(UNKNOWN, sent=header(scope, b"traceparent")) as span:
        command = Observed(span, route=scope["path_template"])
        try:
            yield command
        except asyncio.CancelledError:
            command.outcome = "cancelled"
            raise
        except Exception as error:
            command.met(_problem(error))
            raise
        finally:
            command.close(seconds=perf_counter() - began)


def _problem(error: Exception) -> Problem:
    """What a client is told of it."""
    if isinstance(error, Rejection):
        return error.problem
    if isinstance(error, HTTPException):
        return framework_problem(error)
    return PROBLEM_OF.get(type(error), INTERNAL_ERROR)
