"""What a projection's loop is doing: told in logs, metrics, health and status."""

from collections import deque
from enum import StrEnum
from time import monotonic

import structlog

from projector import metrics
from projector.ports import Batch
from shared.records import Checkpoint

RATE_SECONDS = 10.0

log = structlog.get_logger()


class State(StrEnum):
    """What a loop is doing."""

    STARTING = "starting"
    STANDBY = "standby"
    """Another projector feeds."""
    FILLING = "filling"
    """The first fill is not complete, so readers are refused."""
    RUNNING = "running"
    WAITING = "waiting"
    """PostgreSQL or Redis is away; it is tried again and again."""
    STOPPED = "stopped"
    """Somebody must act; the error says how."""


class Progress:
    """Where one projection stands, as its loop tells it."""

    def __init__(self, projection: str) -> None:
        self.projection = projection
        self.state = State.STARTING
        self.error: str | None = None
        self._lately: deque[tuple[float, int]] = deque()
        self._log = log.bind(projection=projection)

    @property
    def events_per_second(self) -> float:
        """Over the last seconds."""
        self._forget_before(monotonic() - RATE_SECONDS)
        return sum(events for _, events in self._lately) / RATE_SECONDS

    def stand_by(self) -> None:
        self._become(State.STANDBY)

    def stand(self, checkpoint: Checkpoint, *, filling: bool) -> None:
        """All is well, and the generation reflects the log up to a checkpoint."""
        metrics.CHECKPOINT_POSITION.labels(self.projection).set(checkpoint.reached)
        self._become(State.FILLING if filling else State.RUNNING)

    def wait(self, error: Exception) -> None:
        """Something is away and will be back."""
        if self._become(State.WAITING, str(error)):
            self._log.warning("waiting", error=self.error)

    def stop(self, error: Exception) -> None:
        """Nothing goes on until somebody acts."""
        if self._become(State.STOPPED, str(error)):
            self._log.error("stopped", error=self.error)

    def break_down(self, error: Exception) -> None:
        """Nothing goes on because of a defect in Muster."""
        if self._become(State.STOPPED, f"defect: {type(error).__name__}; the log says more"):
            self._log.error("stopped by a defect", exc_info=error)

    def superseded(self, error: Exception) -> None:
        metrics.SUPERSEDED.labels(self.projection).inc()
        self._log.info("looking again", reason=str(error))

    def committed(self, batch: Batch, *, events: int, seconds: float) -> None:
        metrics.EVENTS.labels(self.projection).inc(events)
        metrics.BATCH_EVENTS.labels(self.projection).observe(events)
        metrics.COMMIT_SECONDS.labels(self.projection).observe(seconds)
        metrics.CHECKPOINT_POSITION.labels(self.projection).set(batch.checkpoint.reached)
        self._lately.append((monotonic(), events))
        self._forget_before(monotonic() - RATE_SECONDS)

    def swept(self, batch: Batch) -> None:
        metrics.SWEPT.labels(self.projection).inc(len(batch.full) + len(batch.forgotten))
        metrics.CHECKPOINT_POSITION.labels(self.projection).set(batch.checkpoint.reached)

    def lag(self, *, events: int, seconds: float) -> None:
        metrics.LAG_EVENTS.labels(self.projection).set(events)
        metrics.LAG_SECONDS.labels(self.projection).set(seconds)

    def _become(self, state: State, error: str | None = None) -> bool:
        """Take note of a state; says whether it is news."""
        if (state, error) == (self.state, self.error):
            return False
        if error is None:
            self._log.info("projection", state=state, was=self.state)
        self.state, self.error = state, error
        for each in State:
            metrics.STATE.labels(self.projection, each).set(each is state)
        return True

    def _forget_before(self, moment: float) -> None:
        while self._lately and self._lately[0][0] < moment:
            self._lately.popleft()
