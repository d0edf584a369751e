"""What a projection's loop is doing: told in logs, metrics, health and status."""

from collections import deque
from enum import StrEnum
from time import monotonic

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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


class Metrics:
    """The projector's metrics; one set a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        by = ("projection",)
        self.lag_events = Gauge(
            "muster_projection_lag_events", "Events committed and not yet projected", by, registry=registry
        )
        self.lag_seconds = Gauge(
            "muster_projection_lag_seconds", "Age of the oldest event not yet projected", by, registry=registry
        )
        self.checkpoint = Gauge(
            "muster_projection_checkpoint_position", "Position of the last event projected", by, registry=registry
        )
        self.state = Gauge("muster_projection_state", "1 for the state it is in", (*by, "state"), registry=registry)
        self.events = Counter("muster_projection_events", "Events projected", by, registry=registry)
        self.superseded = Counter(
            "muster_projection_superseded_commits", "Commits dropped by the compare-and-set", by, registry=registry
        )
        self.batch = Histogram(
            "muster_projection_batch_events",
            "Events in a commit",
            by,
            registry=registry,
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
        )
        self.commit = Histogram(
            "muster_projection_commit_seconds",
            "Time to prefetch, fold and store a batch",
            by,
            registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
        )


class Progress:
    """Where one projection stands, as its loop tells it."""

    def __init__(self, projection: str, *, metrics: Metrics) -> None:
        self.projection = projection
        self.state = State.STARTING
        self.error: str | None = None
        self._metrics = metrics
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
        self._metrics.checkpoint.labels(self.projection).set(checkpoint.position)
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
        self._metrics.superseded.labels(self.projection).inc()
        self._log.info("looking again", reason=str(error))

    def committed(self, batch: Batch, *, events: int, seconds: float) -> None:
        self._metrics.events.labels(self.projection).inc(events)
        self._metrics.batch.labels(self.projection).observe(events)
        self._metrics.commit.labels(self.projection).observe(seconds)
        self._metrics.checkpoint.labels(self.projection).set(batch.checkpoint.position)
        self._lately.append((monotonic(), events))
        self._forget_before(monotonic() - RATE_SECONDS)

    def lag(self, *, events: int, seconds: float) -> None:
        self._metrics.lag_events.labels(self.projection).set(events)
        self._metrics.lag_seconds.labels(self.projection).set(seconds)

    def _become(self, state: State, error: str | None = None) -> bool:
        """Take note of a state; says whether it is news."""
        if (state, error) == (self.state, self.error):
            return False
        if error is None:
            self._log.info("projection", state=state, was=self.state)
        self.state, self.error = state, error
        for each in State:
            self._metrics.state.labels(self.projection, each).set(each is state)
        return True

    def _forget_before(self, moment: float) -> None:
        while self._lately and self._lately[0][0] < moment:
            self._lately.popleft()
