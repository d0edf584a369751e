"""Rebuild, abort and roll back over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.params import FromPath

from projector.api import csrf_check as guard
from projector.api.csrf_check import GUARDS
from projector.rebuilding.reconciler import Reconciler
from projector.rebuilding.reconcilers import Reconcilers
from projector.store.errors import Superseded
from projector.store.generations import KEEP_OLD_SECONDS, Order, Survey
from projector.store.transitions import NotReached, RebuildUnderWay, Refused
from shared.clock import Clock
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLogUnsound
from shared.http.bodies import body_of, decoder, require_media_type
from shared.http.containers import Services
from shared.http.health import json
from shared.http.openapi import Operation, Parameter
from shared.http.problems import NOT_JSON, UNSUPPORTED_MEDIA_TYPE, Rejection
from shared.problems import INVALID, Problem

PROJECTION_NOT_FOUND = Problem(
    "projection-not-found", 404, "There is no such projection", "GET /status names every projection."
)
REBUILD_UNDER_WAY = Problem(
    "rebuild-under-way",
    409,
    "A rebuild is under way",
    "The detail says who is at it, and since when. Wait until it has ended, see GET /status, or abort it.",
)
REFUSED = Problem("refused", 409, "That is not possible now", "The detail says why; GET /status lists the generations.")
UNAVAILABLE = Problem(
    "storage-unavailable", 503, "A server is away", "Nothing was changed. See `muster doctor`, and try again."
)
PROBLEMS = (PROJECTION_NOT_FOUND, REBUILD_UNDER_WAY, REFUSED, UNAVAILABLE)

Seconds = Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)]


class Rebuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How to rebuild.

    :param by: who wants it, for those who come second.
    :param hold: stop after the comparison; ordered again without it, it goes on.
    :param force: switch even if records would be gone, or readers taken back.
    :param keep_old: seconds for which it can be switched back.
    """

    by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "an operator over HTTP"
    hold: bool = False
    force: bool = False
    keep_old: Seconds = KEEP_OLD_SECONDS


class RollBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """:param force: even if that takes readers back."""

    force: bool = False


class Abort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """:param dry_run: give up only this generation, and only as long as it is to stop after the comparison (`hold`)."""

    dry_run: str | None = None


class Arrangement(msgspec.Struct, frozen=True):
    """The generations of a projection after a request; null where there is none."""

    projection: str
    live: str | None
    building: str | None
    kept: str | None


@post("/projections/{name:str}/rebuild", status_code=200, guards=GUARDS)
async def rebuild(request: Request[Any, Any, Any], services: Services, name: FromPath[str]) -> Response[bytes]:
    reconciler, wanted = await _read_order(request, services, name, _decode_rebuild)
    order = Order(
        by=wanted.by,
        at=services.get(Clock).now(),
        hold=wanted.hold,
        force=wanted.force,
        keep_old=wanted.keep_old,
    )
    return await _respond(reconciler, lambda: reconciler.begin(order))


@post("/projections/{name:str}/abort", status_code=200, guards=GUARDS)
async def abort(request: Request[Any, Any, Any], services: Services, name: FromPath[str]) -> Response[bytes]:
    reconciler, wanted = await _read_order(request, services, name, _decode_abort)
    if wanted.dry_run is not None:
        return await _respond(reconciler, lambda: reconciler.withdraw(wanted.dry_run))
    return await _respond(reconciler, reconciler.abort)


@post("/projections/{name:str}/rollback", status_code=200, guards=GUARDS)
async def rollback(request: Request[Any, Any, Any], services: Services, name: FromPath[str]) -> Response[bytes]:
    reconciler, wanted = await _read_order(request, services, name, _decode_rollback)
    return await _respond(reconciler, lambda: reconciler.roll_back(force=wanted.force))


HANDLERS = (rebuild, abort, rollback)

OPERATIONS = tuple(
    Operation(
        method="POST",
        path=f"/projections/{{name}}/{action}",
        summary=summary,
        description=text,
        body=body,
        answer=Arrangement,
        answer_headers={"Request-Id": "The id of the request."},
        parameters=[Parameter(name="name", place="path", type=str, text="The projection.", required=True)],
        problems=(*PROBLEMS, *guard.PROBLEMS, NOT_JSON, INVALID, UNSUPPORTED_MEDIA_TYPE),
    )
    for action, summary, text, body in (
        (
            "rebuild",
            "Rebuild a projection beside the live generation",
            "Answers once the rebuild is ordered; `GET /status` says how far it is. One that is held goes on.",
            Rebuild,
        ),
        ("abort", "Give up a rebuild", "The live generation is untouched.", Abort),
        ("rollback", "Switch back to the generation that was live before", "In one step, and back again.", RollBack),
    )
)

_decode_rebuild, _decode_abort, _decode_rollback = decoder(Rebuild), decoder(Abort), decoder(RollBack)


async def _read_order(
    request: Request[Any, Any, Any], services: Services, name: str, decode: Callable[[bytes], Any]
) -> tuple[Reconciler, Any]:
    require_media_type(request.scope, "application/json")
    wanted = decode(await body_of(request))
    if (reconciler := services.get(Reconcilers).find(name)) is None:
        raise Rejection(PROJECTION_NOT_FOUND, f"There is no projection {name!r}")
    return reconciler, wanted


async def _respond(reconciler: Reconciler, change: Callable[[], Awaitable[Survey]]) -> Response[bytes]:
    try:
        survey = await change()
    except RebuildUnderWay as error:
        raise Rejection(REBUILD_UNDER_WAY, str(error)) from error
    except (Unavailable, EventLogUnsound) as error:
        raise Rejection(UNAVAILABLE, str(error), headers={"Retry-After": "1"}) from error
    except (Refused, NotReached, Unsound) as error:
        raise Rejection(REFUSED, str(error)) from error
    except Superseded as error:
        raise Rejection(REFUSED, f"another change was faster ({error}): see GET /status") from error
    return json(_response(reconciler, survey))


def _response(reconciler: Reconciler, survey: Survey) -> Arrangement:
    building, kept = survey.roster.building, survey.roster.kept
    return Arrangement(
        projection=reconciler.projection.name,
        live=survey.live.generation if survey.live else None,
        building=building.pointer.generation if building else None,
        kept=kept.pointer.generation if kept else None,
    )
