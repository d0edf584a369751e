"""`GET /export`: all people and groups, as the commands that make them, or as a table of people."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from litestar import get
from litestar.types import ASGIApp
from msgspec import Meta

from read_side.http.exporting.commands import ExportedCommands
from read_side.http.exporting.table import table
from read_side.http.exporting.walk import Walk
from read_side.http.parameters.conditions import wanted_position
from read_side.http.parameters.filters import Filter
from read_side.http.problems import UNANSWERED, rejection
from read_side.http.resource import StreamRoute
from read_side.views import GroupViews, ProfileViews, standing
from shared.auth.principal import EXPORT
from shared.http.containers import Services
from shared.http.middleware.auth import require_scope
from shared.http.parsing.negotiation import require_acceptable
from shared.http.parsing.parameters import Malformed, Parameters
from shared.http.requests import AnyRequest
from shared.http.streaming import TOO_MANY_STREAMS, StreamedResponse, StreamPlaces

PATH = "/export"
NDJSON, CSV = "application/x-ndjson", "text/csv"
FORMATS: Mapping[str, str] = {"ndjson": NDJSON, "csv": CSV}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLimits:
    """How many exports a process serves at once, and how long it waits; seconds, but for the first."""

    exports: int = 4
    stalled: float = 60.0
    """For which a client may leave unread what it was sent."""
    patience: float = 30.0
    """For which a read model may not answer; then the export breaks off."""


class Exports:
    """All exports of a process."""

    def __init__(self, limits: ExportLimits | None = None) -> None:
        self.limits = limits or ExportLimits()
        self.places = StreamPlaces(self.limits.exports)


def _format(text: str) -> str:
    if text not in FORMATS:
        raise Malformed(f"must be one of {', '.join(FORMATS)}")
    return text


FORMAT = Filter(
    "format",
    _format,
    Annotated[Literal["ndjson", "csv"], Meta(extra_json_schema={"default": "ndjson"})],
    "Commands that `muster import` takes, one a line; or a table of people.",
)


@get(PATH)
async def export_directory(request: AnyRequest, services: Services) -> ASGIApp:
    require_scope(request.scope, EXPORT)
    parameters = Parameters(request.scope)
    minimum, format_ = wanted_position(parameters), FORMAT.of(parameters, "ndjson")
    parameters.require_valid()
    require_acceptable(request.scope, FORMATS[format_])
    profiles, groups = await services.aget_abstract(ProfileViews), await services.aget_abstract(GroupViews)
    try:
        reached = [await each.freshness.reach(minimum, partial(standing, each)) for each in (profiles, groups)]
    except UNANSWERED as error:
        raise rejection(error) from error
    exports = services.get(Exports)
    walk = Walk(patience=exports.limits.patience)
    headers = {
        "Content-Type": f"{FORMATS[format_]}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="muster.{format_}"',
        "Muster-Position": str(min(reached).position),
    }
    return StreamedResponse(
        table(profiles, walk) if format_ == "csv" else ExportedCommands(profiles, groups, walk).blocks(),
        headers=[(name.lower().encode(), value.encode()) for name, value in headers.items()],
        places=exports.places,
        stalled=exports.limits.stalled,
        is_endless=False,
    )


DIRECTORY = StreamRoute(
    name="export_directory",
    path=PATH,
    summary="Get all people and groups at once",
    description="As commands, one a line, which `muster import` takes into an empty Muster; or people as CSV. What "
    "changes meanwhile is there as it was or as it is. An answer that breaks off before its end is not whole.",
    answer=Annotated[str, Meta(examples=['{"command":"create-group","group_id":"…","slug":"staff","name":"Staff"}'])],
    media_type=NDJSON,
    parameters=(FORMAT.parameter,),
    problems=(TOO_MANY_STREAMS,),
    is_whole=True,
    scope=EXPORT,
    handler=export_directory,
)
