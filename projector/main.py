"""The projector: its loops and its ops API side by side, in one process and on one event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import svcs
from litestar import Litestar
from litestar.types import ASGIApp

from projector.api.app import ops_api
from projector.audit.drift_sampler import DriftSampler
from projector.leadership.election import LeaderElection
from projector.monitoring.read_probe import ReadProbe
from projector.monitoring.stall_detector import StallDetector
from projector.monitoring.status_history import StatusHistory
from projector.processing.moving_on import CheckpointMover
from projector.rebuilding.layouts import LayoutReconciler
from projector.rebuilding.reconcilers import Reconcilers
from projector.services import layouts_of, register_services, wish_of
from shared.http.containers import Register
from shared.http.restarting import RestartedApp
from shared.read_model.layouts import Layouts
from shared.runtime.tasks import Tasks
from shared.settings import Settings


def create_app() -> ASGIApp:
    """The projector on PostgreSQL and Redis, as the environment says; put together anew for each change of layouts."""
    fed, outdated = FedLayouts(Settings.here()), asyncio.Event()
    return RestartedApp(projector_app(fed.register, outdated=outdated), prepare=fed.look, outdated=outdated)


class FedLayouts:
    """The layouts that a projector feeds, from one look at what is recorded to the next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wish = wish_of(settings)
        self._layouts: Layouts | None = None

    async def look(self) -> None:
        """Find out what is to be fed, and let it be known what is wished."""
        self._layouts = await layouts_of(self._settings, self._wish)

    def register(self, registry: svcs.Registry) -> None:
        """Register all that feeds these layouts."""
        register_services(registry, layouts=self._layouts)


def projector_app(*registers: Register, outdated: asyncio.Event | None = None) -> ASGIApp:
    """
    The projector on the adapters that `registers` name: its loops run as long as its API is served.

    :param outdated: set once other layouts are to be fed than those that are.
    """
    outdated = outdated or asyncio.Event()
    return ops_api(*registers, beside=partial(_running, outdated=outdated), outdated=outdated)


@asynccontextmanager
async def _running(app: Litestar, *, outdated: asyncio.Event) -> AsyncIterator[None]:
    """Run all loops; a defect in one is logged as critical and stops no other."""
    async with svcs.Container(app.state.registry) as container, Tasks() as tasks:
        election, reconcilers, history = container.get(LeaderElection, Reconcilers, StatusHistory)
        if LayoutReconciler in app.state.registry:
            layouts = container.get(LayoutReconciler)
            tasks.start(layouts.run(outdated), name="layout reconciler")
            tasks.start(election.run(after=layouts.confirmed), name="leader election")
        else:
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
