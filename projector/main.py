"""The projector: its loops and its ops API side by side, in one process and on one event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import svcs
from litestar import Litestar
from litestar.types import ASGIApp

from projector.api.app import ops_api
from projector.audit.drift_sampler import DriftSampler
from projector.monitoring.read_probe import ReadProbe
from projector.monitoring.stall_detector import StallDetector
from projector.monitoring.status_history import StatusHistory
from projector.processing.leadership import LeaderElection
from projector.processing.moving_on import CheckpointMover
from projector.rebuilding.reconcilers import Reconcilers
from projector.services import register_services
from shared.http.containers import Register
from shared.runtime.tasks import Tasks


def create_app() -> ASGIApp:
    """The projector on PostgreSQL and Redis, as the environment says."""
    return projector_app(register_services)


def projector_app(*registers: Register) -> ASGIApp:
    """The projector on the adapters that `registers` name: its loops run as long as its API is served."""
    return ops_api(*registers, beside=_running)


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    """Run all loops; a defect in one is logged as critical and stops no other."""
    async with svcs.Container(app.state.registry) as container, Tasks() as tasks:
        election, reconcilers, history = container.get(LeaderElection, Reconcilers, StatusHistory)
        tasks.start(election.run(), name="leader election")
        for reconciler in reconcilers:
            tasks.start(reconciler.run(), name=f"reconciler of {reconciler.projection.label}")
        observers = [container.get(StallDetector).observe]
        if CheckpointMover in app.state.registry:
            tasks.start(container.get(CheckpointMover).run(), name="checkpoint mover")
        if DriftSampler in app.state.registry:
            tasks.start(container.get(DriftSampler).run(), name="sampler")
        if ReadProbe in app.state.registry:
            probe = container.get(ReadProbe)
            tasks.start(probe.run(), name="read probe")
            observers.insert(0, probe.report)
        tasks.start(history.run(*observers), name="status history")
        yield
