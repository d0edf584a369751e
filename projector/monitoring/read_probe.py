"""A question to the read API every few seconds that only the whole way from the log to there can answer."""

import asyncio
from collections.abc import Mapping
from time import perf_counter

import httpx
import structlog

from projector.monitoring.status import Status
from projector.processing import metrics
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog
from shared.runtime.cancellation import is_cancelled

SECONDS = 10.0
NOBODY = "00000000-0000-7000-8000-000000000000"
QUESTIONS: Mapping[str, str] = {
    "profiles": "/profiles?limit=1",
    "groups": "/groups?limit=1",
    "activity": f"/profiles/{NOBODY}/activity?limit=1",
    "stats": "/stats",
}
"""Something to ask of each projection; that there is nobody is an answer like any other."""

ANSWERED = frozenset({200, 404})

log = structlog.get_logger()


class Canary:
    """
    Asks for what the log says at this moment, as a client would who sends `Muster-Min-Position`.

    :param read: the read API.
    """

    def __init__(self, *, log: EventLog, read: httpx.AsyncClient) -> None:
        self._log = log
        self._read = read
        self.error: str | None = None
        """Why the last question was not answered."""

    async def run(self) -> None:
        """Ask until cancelled."""
        async with self._read:
            while not is_cancelled():
                await self.ask()
                await asyncio.sleep(SECONDS)

    def tell(self, status: Status) -> None:
        """Say in the status what was found."""
        status.canary = self.error

    async def ask(self) -> None:
        """Ask each projection once."""
        try:
            async with self._log.connect() as reader:
                head = await reader.head()
        except (Unavailable, Unsound):
            return  # the status says so; nobody can say what should be seen
        errors = [await self._asked(projection, path, head) for projection, path in QUESTIONS.items()]
        told = "; ".join(filter(None, errors)) or None
        if told != self.error:
            log.warning("the canary", error=told)
        self.error = told

    async def _asked(self, projection: str, path: str, head: int) -> str | None:
        began = perf_counter()
        try:
            answer = await self._read.get(path, headers={"Muster-Min-Position": str(head)})
            error = None if answer.status_code in ANSWERED else f"{projection}: {answer.status_code}"
        except httpx.HTTPError as failure:
            error = f"{projection}: {type(failure).__name__}"
        metrics.CANARY_SECONDS.labels(projection).set(perf_counter() - began)
        metrics.CANARY_FAILURES.labels(projection).inc(error is not None)
        return error
