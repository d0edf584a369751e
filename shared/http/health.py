"""Whether a service lives, whether it can serve, and its metrics."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog
import svcs
from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.http.containers import Services

PING_SECONDS = 2.0

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `/livez` and `/readyz`."""

    status: str
    checks: dict[str, str] = {}
    notes: Mapping[str, str] = {}


@dataclass(frozen=True)
class Notes:
    """What `/readyz` tells besides, and is no less ready for; a service registers it if it has anything to tell."""

    gather: Callable[[], Mapping[str, str]]


def json(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """An answer in JSON, encoded by msgspec."""
    return Response(_encode(content), media_type="application/json", status_code=status, headers=headers)


@get("/livez")
async def livez() -> Response[bytes]:
    return json(Health("alive"))


@get("/readyz")
async def readyz(services: Services) -> Response[bytes]:
    checks = dict(await asyncio.gather(*map(_ping, services.get_pings())))
    ready = all(outcome == "ok" for outcome in checks.values())
    notes = services.get(Notes).gather() if Notes in services.registry else {}
    return json(Health("ready" if ready else "not ready", checks, notes), status=200 if ready else 503)


async def _ping(ping: svcs.ServicePing) -> tuple[str, str]:
    name = ping.name.rpartition(".")[2]
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping.aping()
    except Exception as error:  # noqa: BLE001 - whatever a dependency says, it is the answer
        log.warning("not ready", check=name, error=str(error))
        return name, f"{type(error).__name__}: {error}"
    return name, "ok"


@get("/metrics")
async def metrics() -> Response[bytes]:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8"))


HEALTH_HANDLERS = (livez, readyz, metrics)
