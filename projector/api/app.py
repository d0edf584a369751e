"""The ops API: how far each projection is, and what operators may order."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import svcs
from litestar import Litestar, Response, get
from litestar.types import ASGIApp

from projector.api import deliveries, events, orders, pages, parked, rebuilds, status_events
from projector.api.examples import EXAMPLES
from projector.api.page.document import PAGES
from projector.api.status_events import StreamLimits, Streams
from projector.monitoring.answers import ProjectionStatus, Status
from projector.monitoring.read_probe import ReadProbe
from projector.monitoring.status import StatusBoard
from projector.monitoring.status_history import StatusHistory
from projector.rebuilding.reconcilers import Reconcilers
from shared.auth.principal import OPS
from shared.http.app import Lifespan, assemble
from shared.http.containers import Register, Services
from shared.http.health import GaugeRefresh, ReadinessDetails
from shared.http.middleware.auth import Policy
from shared.http.openapi.document import openapi
from shared.http.pages import csrf_check
from shared.http.pages.sign_in import OPEN_PATHS
from shared.http.pages.sign_in_answers import CookiePolicy
from shared.http.pages.site_map import SiteMap
from shared.server.shutdown import on_stop_signal
from shared.settings import Settings

_WITH_PROBLEMS = (orders, csrf_check, status_events, pages, deliveries, events)
POLICY = Policy(OPS, open=OPEN_PATHS | PAGES.paths, pages=pages.SIGN_IN.policy)


def ops_api(*registers: Register, beside: Lifespan | None = None, outdated: asyncio.Event | None = None) -> ASGIApp:
    """
    The ops API on the adapters that `registers` name; what is registered last wins.

    Answers by `Reconcilers`, `StatusBoard`, `StatusHistory` and `ParkedEvents`, to whom `Authentication` and `Sessions`
    let in. `Settings`, if they are registered, say where browsers find the page.

    :param beside: what runs as long as the API is served.
    :param outdated: set if it ends to begin anew.
    """
    return assemble(
        handlers=[
            get_status,
            *status_events.HANDLERS,
            *pages.HANDLERS,
            *pages.SIGN_IN.handlers,
            *rebuilds.HANDLERS,
            *parked.HANDLERS,
            *deliveries.HANDLERS,
            *events.HANDLERS,
        ],
        registers=[*registers, partial(_register, outdated=outdated)],
        problems=[each for part in _WITH_PROBLEMS for each in part.PROBLEMS],
        document=_document(),
        policy=POLICY,
        lifespan=[*([beside] if beside else []), _end_streams],
    )


def _register(registry: svcs.Registry, *, outdated: asyncio.Event | None) -> None:
    """Register what the API itself needs, on top of what it is given."""
    container = svcs.Container(registry)
    history, reconcilers = container.get(StatusHistory), container.get(Reconcilers)
    settings = container.get(Settings) if Settings in registry else Settings.load({})
    registry.register_value(Streams, Streams(history, limits=settings.limits_of(StreamLimits), outdated=outdated))
    registry.register_value(
        ReadinessDetails, ReadinessDetails(lambda: readiness_details(history, frozen=reconcilers.frozen()))
    )
    registry.register_value(GaugeRefresh, GaugeRefresh(history.refresh))
    registry.register_value(CookiePolicy, CookiePolicy.at(settings.ops_url))
    registry.register_value(SiteMap, SiteMap.of(settings, own="ops"))


@get("/status")
async def get_status(services: Services) -> Response[bytes]:
    now = await services.get(StatusBoard).read()
    if ReadProbe in services.registry:
        services.get(ReadProbe).report(now)
    return orders.answered(now)


def readiness_details(history: StatusHistory, *, frozen: Mapping[str, str]) -> Mapping[str, str]:
    """
    Return details for operators of a projector that is ready: lag and standstills, from the last snapshot.

    Everybody may ask, as often as they like: nothing is counted for it, and no server is named.

    :param frozen: the projections that another version has made, and what is to be done about each.
    """
    if (latest := history.latest) is None:
        return frozen
    lines = {each.name: _line(each) for each in latest.projections}
    lines |= {f"{name.partition('.')[0]} is frozen": hint for name, hint in frozen.items()}
    if latest.held_by:
        lines["event log"] = latest.held_by.text
    if latest.error:
        lines["error"] = "not everything can be read: `muster status` says why"
    return lines


def _line(status: ProjectionStatus) -> str:
    reached = "nowhere yet" if status.checkpoint is None else f"at {status.checkpoint}"
    behind = "lag unknown" if status.lag_events is None else f"{status.lag_events} events behind"
    parked = f", {status.parked} documents parked (see `muster parked list`)" if status.parked else ""
    worst = f", {status.worst} the most" if status.worst and status.lag_events else ""
    return f"{status.state}, {reached}, {behind}{worst}{parked}"


@asynccontextmanager
async def _end_streams(app: Litestar) -> AsyncIterator[None]:
    """End the answers that have no end, as soon as the process is to stop."""
    history = svcs.Container(app.state.registry).get(StatusHistory)
    with on_stop_signal(history.end):
        yield
    history.end()


def _document() -> dict[str, Any]:
    return openapi(
        title="Muster ops API",
        description="See how far each projection is and what it could not fold, rebuild it, and switch back.",
        scope=OPS,
        examples=EXAMPLES,
        operations=[
            orders.operation(
                get_status,
                "Get the state of every projection",
                Status,
                description="Answers while PostgreSQL or Redis is away, too: what is unknown then is null.",
            ),
            *status_events.OPERATIONS,
            *rebuilds.OPERATIONS,
            *parked.OPERATIONS,
            *deliveries.OPERATIONS,
            *events.OPERATIONS,
        ],
    )
