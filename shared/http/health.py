"""Liveness, readiness and metrics of a service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog
import svcs
from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from shared.errors import Unavailable
from shared.http.containers import Services
from shared.http.limits import HttpLimits
from shared.observability.metrics import exposition

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `/livez` and `/readyz`."""

    status: str
    checks: dict[str, str] = {}
    details: Mapping[str, str] = {}


@dataclass(frozen=True)
class ReadinessDetails:
    """Details that `/readyz` adds for operators, whatever the readiness; a service registers it if it has any."""

    gather: Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class GaugeRefresh:
    """A function that sets the gauges at `/metrics`; a service registers it if it does not keep them up to date."""

    refresh: Callable[[], Awaitable[None]]


def json(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Return an answer in JSON, encoded by msgspec."""
    return Response(_encode(content), media_type="application/json", status_code=status, headers=headers)


@get("/livez")
async def livez() -> Response[bytes]:
    return json(Health("alive"))


@get("/readyz")
async def readyz(services: Services) -> Response[bytes]:
    seconds = services.get(HttpLimits).ping
    checks = dict(await asyncio.gather(*(_ping(each, seconds) for each in services.get_pings())))
    ready = all(outcome == "ok" for outcome in checks.values())
    details = services.get(ReadinessDetails).gather() if ReadinessDetails in services.registry else {}
    return json(Health("ready" if ready else "not ready", checks, details), status=200 if ready else 503)


async def _ping(ping: svcs.ServicePing, seconds: float) -> tuple[str, str]:
    name = ping.name.rpartition(".")[2]
    try:
        async with asyncio.timeout(seconds):
            await ping.aping()
    except Exception as error:  # noqa: BLE001 - every error of a dependency is an answer
        log.warning("not ready", check=name, error=str(error))
        return name, f"{type(error).__name__}: {error}"
    return name, "ok"


@get("/metrics")
async def metrics(services: Services) -> Response[bytes]:
    if GaugeRefresh in services.registry:
        try:
            await services.get(GaugeRefresh).refresh()
        except Unavailable as error:  # the other metrics say how things are all the more
            log.warning("some gauges stay as they were", error=str(error))
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8"))


HEALTH_HANDLERS = (livez, readyz, metrics)
