"""What a projection's loop is doing, for logs, metrics, health and status."""

from collections import deque
from datetime import timedelta
from enum import StrEnum
from time import monotonic

import structlog

from projector.folding.batch import Batch
from projector.processing import metrics
from shared.read_model.positions import Checkpoint

RATE_SECONDS = 10.0

log = structlog.get_logger()


class ProjectionState(StrEnum):
    """The activity of a loop."""

    STARTING = "starting"
    STANDBY = "standby"
    """Another projector feeds."""
    FILLING = "filling"
    """The first fill is not complete, so readers are refused."""
    RUNNING = "running"
    WAITING = "waiting"
    """PostgreSQL or Redis is away; it is tried again and again."""
    STOPPED = "stopped"
    """An operator must act; the error says how."""


class GenerationRole(StrEnum):
    """What a loop feeds, or that it is the one that has others feed."""

    RECONCILER = "reconciler"
    LIVE = "live"
    FILLING = "filling"
    """The first generation; readers are refused until it is complete."""
    BUILDING = "building"
    """It is to replace the live one."""
    KEPT = "kept"
    """It was live."""


class ProjectionProgress:
    """
    How far one generation is, as its loop reports it.

    Metrics are those of the generation that readers use, or will once it is filled.
    """

    def __init__(self, projection: str, role: GenerationRole, generation: str | None = None) -> None:
        self.projection = projection
        self._labels = metrics.labels_of(projection)
        self.role = role
        self.state = ProjectionState.STARTING
        self.error: str | None = None
        self.is_frozen = False
        """Readers are served what another version made: nothing is amiss for them."""
        self.reached = 0
        """The position that the generation reflects."""
        self.lag = timedelta()
        """How old the last event was when it was committed; zero once there is none left, or nothing goes on."""
        self._lately: deque[tuple[float, int]] = deque()
        self._log = log.bind(projection=projection, **({"generation": generation} if generation else {}))
        for each in metrics.COUNTED:  # a rate is only known of what was there before it was counted up
            each.labels(*self._labels)

    @property
    def is_measured(self) -> bool:
        return self.role in {GenerationRole.LIVE, GenerationRole.FILLING}

    @property
    def events_per_second(self) -> float:
        """Over the last seconds."""
        self._forget_before(monotonic() - RATE_SECONDS)
        return sum(events for _, events in self._lately) / RATE_SECONDS

    def start(self) -> None:
        """Note that nothing is amiss, and nothing known yet."""
        self._become(ProjectionState.STARTING)

    def stand_by(self) -> None:
        self._become(ProjectionState.STANDBY)

    def take(self, role: GenerationRole) -> None:
        """Feed from now on as what the generation has become."""
        self.role = role
        if self.state in {ProjectionState.FILLING, ProjectionState.RUNNING}:
            self.go_on()

    def stand(self, checkpoint: Checkpoint) -> None:
        """Note that all is well, and that the generation reflects the log up to a checkpoint."""
        self.reached = checkpoint.reached
        if self.is_measured:
            metrics.CHECKPOINT_POSITION.labels(*self._labels).set(checkpoint.reached)
        self.go_on()

    def go_on(self) -> None:
        """Note that all is well."""
        is_filling = self.role in {GenerationRole.FILLING, GenerationRole.BUILDING}
        self._become(ProjectionState.FILLING if is_filling else ProjectionState.RUNNING)

    def caught_up(self) -> None:
        self.lag = timedelta()

    def wait(self, error: Exception) -> None:
        """Note that a server is away and will be back."""
        if self._become(ProjectionState.WAITING, str(error)):
            self._log.warning("waiting", error=self.error)

    def stop(self, error: Exception) -> None:
        """Note that nothing goes on until an operator acts."""
        self.caught_up()  # a rebuild need not make way for it
        if self._become(ProjectionState.STOPPED, str(error)):
            self._log.error("stopped", error=self.error)

    def freeze(self, error: Exception) -> None:
        """Note that another version has made what readers are served, which stays as it is until an operator acts."""
        self.stop(error)
        self.is_frozen = True

    def break_down(self, error: Exception) -> None:
        """Note that nothing goes on because of a defect in Muster."""
        self.caught_up()
        if self._become(ProjectionState.STOPPED, f"defect: {type(error).__name__}; the log says more"):
            self._log.error("stopped by a defect", exc_info=error)

    def superseded(self, error: Exception) -> None:
        metrics.SUPERSEDED.labels(*self._labels).inc()
        self._log.info("looking again", reason=str(error))

    def folded(self, *, events: int) -> None:
        """Note that more of the log is folded for a generation which reflects nothing of it yet."""
        self._lately.append((monotonic(), events))
        self._forget_before(monotonic() - RATE_SECONDS)
        if self.is_measured:
            metrics.EVENTS.labels(*self._labels).inc(events)

    def committed(self, batch: Batch, *, events: int, seconds: float) -> None:
        self.reached = batch.checkpoint.reached
        self._lately.append((monotonic(), events))
        self._forget_before(monotonic() - RATE_SECONDS)
        if self.is_measured:
            metrics.EVENTS.labels(*self._labels).inc(events)
            metrics.BATCH_EVENTS.labels(*self._labels).observe(events)
            metrics.COMMIT_SECONDS.labels(*self._labels).observe(seconds)
            metrics.CHECKPOINT_POSITION.labels(*self._labels).set(batch.checkpoint.reached)

    def fanned_out(self, batch: Batch) -> None:
        if self.is_measured:
            metrics.FANNED_OUT.labels(*self._labels).inc(len(batch.full) + len(batch.forgotten))
            metrics.CHECKPOINT_POSITION.labels(*self._labels).set(batch.checkpoint.reached)

    def _become(self, state: ProjectionState, error: str | None = None) -> bool:
        """Take note of a state; return whether it is news."""
        if (state, error) == (self.state, self.error):
            return False
        if error is None:
            self._log.info("projection", state=state.value, was=self.state.value)
        self.state, self.error, self.is_frozen = state, error, False
        if self.is_measured:
            for each in ProjectionState:
                metrics.STATE.labels(*self._labels, each).set(each is state)
        return True

    def _forget_before(self, time: float) -> None:
        while self._lately and self._lately[0][0] < time:
            self._lately.popleft()
