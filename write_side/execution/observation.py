"""Each command is counted, timed and traced, whichever way it came."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter

from opentelemetry.trace import Span, StatusCode
from prometheus_client import Counter, Histogram

from shared.observability.tracing import command_span
from shared.problems import INTERNAL_ERROR, OVERLOADED, Problem, Refusal
from write_side.execution.invocation import Channel
from write_side.execution.refusals import OUTCOME_UNKNOWN, STORAGE_UNAVAILABLE
from write_side.ports import Answer, NotYet
from write_side.use_cases import USE_CASES, UseCase

# Every name carries its unit, and no label is made of what a client sent.
_COMMANDS = Counter(
    "muster_commands_total",
    "Commands answered: done, replayed, cancelled, or the problem they met.",
    ("command", "outcome"),
)
_COMMAND_SECONDS = Histogram(
    "muster_command_seconds",
    "Time from reading a command to its outcome, further attempts included.",
    ("command",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

UNKNOWN = "unknown"
"""The command of a message that names none we know: what a client made up is no label."""

SERIOUS = (INTERNAL_ERROR, STORAGE_UNAVAILABLE, OUTCOME_UNKNOWN, OVERLOADED)
"""Counted from the start, at 0: from a sample that was not there before, Prometheus sees no increase."""
for _name in (UNKNOWN, *(use_case.name for use_case in USE_CASES)):
    for _problem in SERIOUS:
        _COMMANDS.labels(_name, _problem.name)


@lru_cache(maxsize=1_024)  # commands and problems are few
def _meters(command: str, outcome: str) -> tuple[Counter, Histogram]:
    return _COMMANDS.labels(command, outcome), _COMMAND_SECONDS.labels(command)


class Observation:
    """A message with a command that is being carried out, and what is known of it so far."""

    def __init__(self, span: Span, channel: Channel) -> None:
        self.command = UNKNOWN
        self.outcome = "done"
        self.is_answered = True
        self._status = int(HTTPStatus.OK)
        self._span = span
        self._channel = channel

    def is_of(self, use_case: UseCase) -> None:
        """Name the command, once it is known."""
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
        if not self.is_answered:
            return
        count, time = _meters(self.command, self.outcome)
        count.inc()
        time.observe(seconds)
        if self._span.is_recording():
            self._span.set_attributes(
                {
                    **self._channel.attributes(self._status),
                    "muster.command": self.command,
                    "muster.outcome": self.outcome,
                }
            )


@contextmanager
def observed(channel: Channel, *, traceparent: str | None) -> Iterator[Observation]:
    """
    Observe a message, from here to the end of the block and whatever is raised in it.

    :param traceparent: of the client's span, if one was sent.
    """
    began = perf_counter()
    with command_span(UNKNOWN, sent=traceparent) as span:
        observation = Observation(span, channel)
        try:
            yield observation
        except asyncio.CancelledError:
            observation.outcome = "cancelled"
            raise
        except NotYet:
            observation.is_answered = False
            raise
        except Exception as error:
            observation.met(error.problem if isinstance(error, Refusal) else INTERNAL_ERROR)
            raise
        finally:
            observation.close(seconds=perf_counter() - began)
