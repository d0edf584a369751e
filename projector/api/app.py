"""The ops API: how far each projection is; the engine runs as long as it is served."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import structlog
import svcs
from litestar import Litestar, Response, get
from litestar.types import ASGIApp

from projector.api import csrf_check as guard
from projector.api import pages
from projector.api import parked as parking
from projector.api import rebuilds as generations
from projector.api import sign_in as signing_in
from projector.api import status_events as events
from projector.api.page.sign_in import sign_in_page
from projector.audit.sampler import Sampler
from projector.monitoring.read_probe import ReadProbe
from projector.monitoring.stall_detector import StallDetector
from projector.monitoring.status import ProjectionStatus, Status, StatusBoard
from projector.monitoring.status_history import StatusHistory
from projector.rebuilding.engine import Engine
from shared.auth.principal import OPS
from shared.http.app import assemble
from shared.http.auth_middleware import Policy
from shared.http.containers import Register, Services
from shared.http.health import json
from shared.http.openapi import Operation, openapi
from shared.server.shutdown import hearing_stop

POLICY = Policy(OPS, open=frozenset({signing_in.PATH, *pages.ASSETS}), sign_in=sign_in_page())

log = structlog.get_logger()


def ops_api(*registers: Register) -> ASGIApp:
    """
    The ops API on the adapters that `registers` name; what is registered last wins.

    Needs `Engine`, `StatusHistory`, `StallDetector` and `Sampler`, and runs them; `ReadProbe` too, if there is one.
    Answers by `StatusBoard`, `Streams` and `ParkedEvents`, to whom `Authentication` and `Sessions` let in by an
    `Entrance`.
    """
    return assemble(
        handlers=[
            status,
            *events.HANDLERS,
            *pages.HANDLERS,
            *signing_in.HANDLERS,
            *generations.HANDLERS,
            *parking.HANDLERS,
        ],
        registers=registers,
        problems=[problem for part in (generations, parking, guard, events, pages) for problem in part.PROBLEMS],
        document=_document(),
        policy=POLICY,
        lifespan=[_run_projector],
    )


@get("/status")
async def status(services: Services) -> Response[bytes]:
    told = await services.get(StatusBoard).read()
    if ReadProbe in services.registry:
        services.get(ReadProbe).report(told)
    return json(told, headers={"Cache-Control": "no-store"})


def notes(history: StatusHistory) -> Mapping[str, str]:
    """
    What an operator wants to know of a projector that is ready: lag and standstills, as they were seen last.

    Anybody may ask, as often as he likes: nothing is counted for it, and no server is named.
    """
    if (told := history.latest) is None:
        return {}
    lines = {each.name: _line(each) for each in told.projections}
    if told.held_by:
        lines["event log"] = told.held_by.text
    if told.error:
        lines["error"] = "not everything can be asked: `muster status` says why"
    return lines


def _line(told: ProjectionStatus) -> str:
    reached = "nowhere yet" if told.checkpoint is None else f"at {told.checkpoint}"
    behind = "lag unknown" if told.lag_events is None else f"{told.lag_events} events behind"
    parked = f", {told.parked} documents parked (see `muster parked list`)" if told.parked else ""
    return f"{told.state}, {reached}, {behind}{parked}"


@asynccontextmanager
async def _run_projector(app: Litestar) -> AsyncIterator[None]:
    async with svcs.Container(app.state.registry) as container:
        engine, history, stall_detector, sampler = container.get(Engine, StatusHistory, StallDetector, Sampler)
        observers, jobs = [stall_detector.observe], [engine.run(), sampler.run()]
        if ReadProbe in app.state.registry:
            read_probe = container.get(ReadProbe)
            observers.insert(0, read_probe.report)
            jobs.append(read_probe.run())
        tasks = [asyncio.create_task(job) for job in (*jobs, history.run(*observers))]
        for task in tasks:
            task.add_done_callback(_tell_of_a_defect)
        with hearing_stop(history.end):
            yield
        history.end()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_of_a_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("a task of the projector has ended", exc_info=error)


def _document() -> dict[str, Any]:
    return openapi(
        title="Muster ops API",
        version=version("muster"),
        description="See how far each projection is and what it could not fold, rebuild it, and switch back.",
        scope=OPS,
        operations=[
            Operation(
                method="GET",
                path="/status",
                summary="Get the state of every projection",
                description="Answers while PostgreSQL or Redis is away, too: what cannot be found out then is null.",
                answer=Status,
                answer_headers={"Request-Id": "The id of the request."},
            ),
            *events.OPERATIONS,
            *generations.OPERATIONS,
            *parking.OPERATIONS,
        ],
    )
