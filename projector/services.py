"""The composition root of the projector: which adapter stands for which port."""

import os
import secrets
import socket
from collections.abc import Callable

import svcs
import uuid_utils
from litestar.types import ASGIApp

from projector.adapters.redis.client import connect
from projector.adapters.redis.lease import RedisLease
from projector.adapters.redis.read_model import RedisReadModel
from projector.engine import Engine, Feeder, Pace
from projector.ops.http import notes, ops_api
from projector.ports import Candidate, Lease, ReadModel
from projector.progress import Progress
from projector.projection import Projection
from projector.projections.activity import Activity
from projector.projections.groups import Groups
from projector.projections.profiles import Profiles
from projector.projections.stats import Stats
from projector.status import StatusBoard, Watched
from projector.tenure import Tenure
from shared.clock import Clock, SystemClock
from shared.event_log import EventLog
from shared.event_log.postgres import PostgresEventLog
from shared.http.health import Notes
from shared.settings import Settings

PACES = {"profiles": Pace()}
AT_EASE = Pace(interval=0.02)
"""Of the others: while commands stream in, a few share a commit, as nobody waits for a number as for a person."""

PROJECTIONS: tuple[Projection, ...] = (Profiles(), Groups(), Activity(), Stats())


def create_app() -> ASGIApp:
    """The projector on PostgreSQL and Redis, as the environment says, with its ops API."""
    return ops_api(register_services)


def register_services(registry: svcs.Registry) -> None:
    """Register the real adapters, as the environment says."""
    settings = Settings.load(os.environ).with_addresses()
    log = PostgresEventLog(settings.required("database_url"))
    register_redis(registry, url=settings.required("redis_url"), log=log)


def register_redis(registry: svcs.Registry, *, url: str, log: EventLog) -> None:
    """Register a projector that keeps everything in one Redis."""
    client = connect(url)
    lease = RedisLease(client)
    registry.register_value(Lease, lease, on_registry_close=client.aclose, ping=_answers)
    register_projector(
        registry,
        log=log,
        lease=lease,
        model_of=lambda projection: RedisReadModel(client, projection=projection.name),
        clock=SystemClock(),
    )


def register_projector(
    registry: svcs.Registry,
    *,
    log: EventLog,
    lease: Lease,
    model_of: Callable[[Projection], ReadModel],
    clock: Clock,
    pace: Pace | None = None,
) -> None:
    """Register what feeds all projections, on any adapters."""
    tenure = Tenure(lease, _candidate(clock))
    watched = [Watched(each, model_of(each), Progress(each.name)) for each in PROJECTIONS]
    feeders = [
        Feeder(
            each.projection,
            log=log,
            model=each.model,
            tenure=tenure,
            progress=each.progress,
            ids=_generation_name,
            pace=pace or PACES.get(each.projection.name, AT_EASE),
        )
        for each in watched
    ]
    board = StatusBoard(log=log, lease=lease, watched=watched, clock=clock)
    registry.register_value(Engine, Engine(feeders=feeders, tenure=tenure), ping=Engine.require_feeding)
    registry.register_value(StatusBoard, board)
    registry.register_value(Notes, Notes(lambda: notes(board)))


def _candidate(clock: Clock) -> Candidate:
    since = clock.now().isoformat(timespec="seconds")
    return Candidate(f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}", since)


def _generation_name() -> str:
    return uuid_utils.uuid7().hex


async def _answers(lease: Lease) -> None:
    await lease.candidates()
