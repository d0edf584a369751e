"""What all pages have in common: who looks at them, how they are sent, and what is said instead."""

from collections.abc import Mapping
from typing import Any

from litestar import Response

from read_side.commands import CommandSender
from read_side.pages.documents import PAGES, Viewer
from read_side.pages.figures import Pairs
from read_side.pages.reading import PageReads, segment
from shared.auth.principal import PRIVATE
from shared.http.middleware.auth import caller
from shared.http.parsing.negotiation import prefers_html
from shared.http.problems import answer_refusal, details_of, headers_of
from shared.http.requests import AnyRequest, request_id
from shared.problems import Refusal
from shared.read_model.records import GroupRecord, ProfileRecord, PublicProfileRecord

FILTERS = ("q", "group", "tag", "status", "sort")


def viewer_of(request: AnyRequest) -> Viewer:
    has_write_api = CommandSender in request.app.state.registry
    return Viewer.of(caller(request.scope), has_write_api=has_write_api)


def shown(
    request: AnyRequest, template: str, *, headers: Mapping[str, str] | None = None, **context: Any
) -> Response[bytes]:
    """Answer with a page."""
    about = {"Vary": "accept", **(headers or {})}
    return PAGES.answer(request, template, headers=about, viewer=viewer_of(request), **context)


def refused(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    """Say to a browser why there is no page, and to a program what it is always told."""
    if not prefers_html(request.scope):
        return answer_refusal(request, refusal)
    details = details_of(refusal, request_id=request_id(request.scope))
    reads = PageReads(request)
    return shown(
        request,
        "refused.html",
        status_code=details.status,
        headers={**headers_of(refusal), "Cache-Control": "no-store"},
        problem=refusal.problem,
        details=details,
        q=reads.value("q"),
        kept=kept(reads),
    )


ON_REFUSAL: Any = {Refusal: refused}
"""The exception handlers of what answers browsers."""


def kept(reads: PageReads) -> Pairs:
    """What an address says of the list, but for the place in it."""
    return [(name, value) for name, value in reads.sent if name in FILTERS]


async def read_person(reads: PageReads, request: AnyRequest, handle: str) -> PublicProfileRecord:
    """
    Return a person, with as much of them as the caller may see.

    :raises Rejection: there is none, or as the API says.
    """
    return await find_person(reads, request, handle, by="/profiles/by-handle/")


async def find_person(reads: PageReads, request: AnyRequest, id: str, *, by: str = "/profiles/") -> PublicProfileRecord:
    """Return a person by their id; see `read_person`."""
    kind = ProfileRecord if PRIVATE in caller(request.scope).scopes else PublicProfileRecord
    return await reads.get(by + segment(id), kind)


async def read_group(reads: PageReads, _: AnyRequest, group: str) -> GroupRecord:
    """
    Return a group by its slug or its id.

    :raises Rejection: there is none, or as the API says.
    """
    return await reads.get(f"/groups/{segment(group)}", GroupRecord)
