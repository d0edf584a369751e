"""Rebuild, abort and roll back over HTTP."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.params import FromPath

from projector.api import orders
from projector.monitoring.answers import Arrangement, Arrangements
from projector.rebuilding.reconcilers import Reconcilers
from projector.store.generations import KEEP_OLD_SECONDS, Order, Survey
from projector.store.transitions import Seen
from shared.clock import Clock
from shared.decoding.objects import decoder
from shared.http.containers import Services
from shared.http.health import json
from shared.http.openapi.document import Parameter
from shared.http.pages.csrf_check import GUARDS
from shared.http.requests import AnyRequest

Seconds = Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)]


class _Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all orders may say of what the operator saw."""

    generation: str | None = None
    generations: tuple[str, ...] | None = None

    @property
    def seen(self) -> Seen:
        return self.generations if self.generation is None else [self.generation]


class Rebuild(_Order, frozen=True, kw_only=True):
    """
    How to rebuild.

    :param by: who wants it, for those who come second.
    :param hold: stop after the comparison; ordered again without it, it goes on.
    :param force: switch even if records would be gone, or readers taken back.
    :param keep_old: seconds for which it can be switched back.
    :param generation: let only this one go on; if another is being built by then, or none, nothing is done.
    :param generations: the same of several parts; an empty list begins anew, and does nothing if there is one by then.
    """

    by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "an operator over HTTP"
    hold: bool = False
    force: bool = False
    keep_old: Seconds = KEEP_OLD_SECONDS


class RollBack(_Order, frozen=True, kw_only=True):
    """
    How to roll back.

    :param force: even if that takes readers back.
    :param generation: only to this one; if another is kept by then, nothing is done.
    :param generations: the same of several parts.
    """

    force: bool = False


class Abort(_Order, frozen=True, kw_only=True):
    """
    What to give up.

    :param generation: only this one; if another is being built by then, nothing is done.
    :param generations: the same of several parts.
    :param dry_run: likewise, and only as long as it is to stop after the comparison (`hold`).
    """

    dry_run: str | None = None


@post("/projections/{name:str}/rebuild", status_code=200, guards=GUARDS)
async def rebuild_projection(request: AnyRequest, services: Services, name: FromPath[str]) -> Response[bytes]:
    wanted = await orders.order_in(request, _decode_rebuild)
    order = Order(
        by=wanted.by, at=services.get(Clock).now(), hold=wanted.hold, force=wanted.force, keep_old=wanted.keep_old
    )
    with orders.as_problems():
        return _answer(name, await services.get(Reconcilers).begin(name, order, seen=wanted.seen))


@post("/projections/{name:str}/abort", status_code=200, guards=GUARDS)
async def abort_rebuild(request: AnyRequest, services: Services, name: FromPath[str]) -> Response[bytes]:
    wanted = await orders.order_in(request, _decode_abort)
    with orders.as_problems():
        seen, is_dry = [wanted.dry_run] if wanted.dry_run else wanted.seen, wanted.dry_run is not None
        return _answer(name, await services.get(Reconcilers).abort(name, seen=seen, is_dry=is_dry))


@post("/projections/{name:str}/rollback", status_code=200, guards=GUARDS)
async def roll_back_projection(request: AnyRequest, services: Services, name: FromPath[str]) -> Response[bytes]:
    wanted = await orders.order_in(request, _decode_rollback)
    with orders.as_problems():
        return _answer(name, await services.get(Reconcilers).roll_back(name, force=wanted.force, seen=wanted.seen))


HANDLERS = (rebuild_projection, abort_rebuild, roll_back_projection)

_ONE = (
    Parameter(name="name", place="path", type=orders.PROJECTION, text="The projection, or a part such as profiles.3."),
)
_TOGETHER = (
    "Of a projection that is divided: all parts together, and the answer has the generations of each in `parts`."
)
_PROBLEMS = (orders.PROJECTION_NOT_FOUND, orders.REBUILD_UNDER_WAY, orders.REFUSED, orders.UNAVAILABLE)
_operation = partial(orders.operation, parameters=_ONE, problems=_PROBLEMS)
OPERATIONS = (
    _operation(
        rebuild_projection,
        "Rebuild a projection beside the live generation",
        Arrangements,
        description="Answers once the rebuild is ordered; `GET /status` says how far it is. One that is held goes on."
        f" {_TOGETHER}",
        body=Rebuild,
    ),
    _operation(
        abort_rebuild,
        "Give up a rebuild",
        Arrangements,
        description=f"The live generation is untouched. {_TOGETHER}",
        body=Abort,
    ),
    _operation(
        roll_back_projection,
        "Switch back to the generation that was live before",
        Arrangements,
        description=f"In one step, and back again. {_TOGETHER}",
        body=RollBack,
    ),
)

_decode_rebuild, _decode_abort, _decode_rollback = decoder(Rebuild), decoder(Abort), decoder(RollBack)


def _answer(name: str, surveys: Mapping[str, Survey]) -> Response[bytes]:
    parts = tuple(_of_one(each, survey) for each, survey in surveys.items())
    return json(parts[0] if name in surveys else Arrangements(name, None, None, None, parts))


def _of_one(name: str, survey: Survey) -> Arrangement:
    building, kept = survey.roster.building, survey.roster.kept
    return Arrangement(
        projection=name,
        live=survey.live.generation if survey.live else None,
        building=building.pointer.generation if building else None,
        kept=kept.pointer.generation if kept else None,
    )
