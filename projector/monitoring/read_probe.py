"""A synthetic probe: ask the read API every few seconds for what only the whole way from the log can answer."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import httpx
import msgspec
import structlog

from projector.monitoring.answers import Status
from projector.monitoring.limits import MonitoringLimits
from projector.processing import metrics
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog
from shared.runtime.retry import repeat

QUESTIONS = "/openapi.json"
"""Where the read API says, under `x-probes`, what can be asked of each projection."""

ANSWERED = frozenset({200, 404})

log = structlog.get_logger()


class _Document(msgspec.Struct, frozen=True):
    """The read API's own description, as far as it matters here."""

    probes: dict[str, str] = msgspec.field(name="x-probes")


@dataclass(eq=False, kw_only=True)
class ReadProbe:
    """
    Ask for what the log has now, as a client does who sends `Muster-Min-Position`.

    :param read: the read API.
    :param projections: which count as not answered for where the read API does not even say what can be asked.
    """

    log: EventLog
    read: httpx.AsyncClient
    projections: Collection[str]
    limits: MonitoringLimits = field(default_factory=MonitoringLimits)
    error: str | None = field(default=None, init=False)
    """Why the last question was not answered."""
    _questions: Mapping[str, str] = field(default_factory=dict, init=False)
    _was_answered: bool = field(default=False, init=False)
    _level: int | None = field(default=None, init=False)
    """The head as of which the last questions were all answered."""
    _turns: int = field(default=0, init=False)

    async def run(self) -> None:
        """Ask every few seconds, until cancelled; a home that is new has a moment to be filled first."""
        async with self.read:
            await repeat(self._turn, delay=self.limits.interval)

    async def _turn(self) -> None:
        await self.ask()
        await asyncio.sleep(self.limits.probe if self._was_answered else self.limits.interval)

    def report(self, status: Status) -> None:
        """Add the outcome of the last questions to a status."""
        status.read_probe = self.error

    async def ask(self) -> None:
        """Ask each projection once; one of them in turn, as long as the log is as it was and all is well."""
        try:
            async with self.log.connect() as reader:
                head = await reader.head()
        except (Unavailable, Unsound):
            return  # the status says so; what a reader should see is unknown
        error = await self._errors(head)
        if error != self.error:
            log.warning("the read probe", error=error)
        self.error = error
        self._was_answered |= error is None

    async def _errors(self, head: int) -> str | None:
        """What was not answered; then the read API is asked for its questions again: it may have become another."""
        try:
            questions = self._questions or await self._look_up_questions()
        except (httpx.HTTPError, msgspec.DecodeError) as failure:
            for projection in self.projections:
                metrics.READ_PROBE_FAILURES.labels(projection).inc()
            return f"{QUESTIONS}: {type(failure).__name__}"
        due = self._due(list(questions.items()), head)
        errors = [await self._question(projection, path, head) for projection, path in due]
        error = "; ".join(filter(None, errors)) or None
        self._questions, self._level = (questions, head) if error is None else ({}, None)
        return error

    def _due(self, questions: Sequence[tuple[str, str]], head: int) -> Sequence[tuple[str, str]]:
        """Leave out what at rest would be asked for again and again; a failure brings all of it back."""
        if head != self._level:
            return questions
        self._turns += 1
        return [questions[self._turns % len(questions)]]

    async def _look_up_questions(self) -> Mapping[str, str]:
        document = (await self.read.get(QUESTIONS)).raise_for_status()
        return msgspec.json.decode(document.content, type=_Document).probes

    async def _question(self, projection: str, path: str, head: int) -> str | None:
        began = perf_counter()
        try:
            answer = await self.read.get(path, headers={"Muster-Min-Position": str(head)})
            error = None if answer.status_code in ANSWERED else f"{projection}: {answer.status_code}"
        except httpx.HTTPError as failure:
            error = f"{projection}: {type(failure).__name__}"
        metrics.READ_PROBE_SECONDS.labels(projection).set(perf_counter() - began)
        metrics.READ_PROBE_FAILURES.labels(projection).inc(error is not None)
        return error
