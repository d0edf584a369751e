"""The people page: `/` for browsers, `/people/{handle}` and `/people/groups/{slug}`."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from read_side.http.problems import PROFILE_NOT_FOUND
from read_side.http.resources.activity import ActivityPage
from read_side.http.resources.groups import GroupPage, MemberPage
from read_side.pages.changing import A_GROUP, A_PERSON, creating, editing, require_changes
from read_side.pages.documents import PAGES
from read_side.pages.reading import PageReads, segment
from read_side.pages.viewing import ON_REFUSAL, kept, read_person, shown
from shared.http.problems import Rejection
from shared.http.requests import AnyRequest
from shared.read_model.records import GroupRecord, PublicProfileRecord

GROUPS_SHOWN = 6
TAGS_SHOWN = 12
ACTIVITY_SHOWN = "12"


class ListedPeople(msgspec.Struct, frozen=True):
    """A page of people, of whom a list shows nothing that is private."""

    items: tuple[PublicProfileRecord, ...]
    next_cursor: str | None


async def people(request: AnyRequest) -> Response[bytes]:
    """List people: the same list as `GET /profiles`, asked in the same words."""
    reads = PageReads(request)
    if new := reads.value("new"):
        require_changes(request)
        return creating(request, new)
    found = await reads.get("/profiles", ListedPeople, reads.sent)
    q = reads.value("q")
    groups = await reads.get("/groups", GroupPage, [("q", q), ("limit", str(GROUPS_SHOWN))])
    tags = Counter(tag for person in found.items for tag in person.tags)
    return _page(
        request,
        "list.html",
        reads,
        found=found,
        groups=() if reads.value("cursor") else groups.items,
        tags=[tag for tag, _ in tags.most_common(TAGS_SHOWN) if tag not in reads.values("tag")],
        q=q,
        group=reads.value("group"),
        chosen=reads.values("tag"),
        status=reads.value("status") or "active",
        kept=kept(reads),
    )


@get("/people/{handle:str}", exception_handlers=ON_REFUSAL)
async def person(handle: FromPath[str], request: AnyRequest) -> Response[bytes]:
    reads = PageReads(request)
    if reads.value("edit"):
        require_changes(request)
        return await editing(request, A_PERSON, handle)
    record = await read_person(reads, request, handle)
    activity = await _activity(reads, record.account_id)
    return _page(request, "person.html", reads, person=record, activity=activity)


async def _activity(reads: PageReads, account_id: UUID) -> ActivityPage:
    """Return what happened to a person; another projection may not know them yet, and then it is nothing."""
    asked = [("limit", ACTIVITY_SHOWN), ("cursor", reads.value("cursor"))]
    try:
        return await reads.get(f"/profiles/{account_id}/activity", ActivityPage, [each for each in asked if each[1]])
    except Rejection as rejection:
        if rejection.problem is not PROFILE_NOT_FOUND:
            raise
        return ActivityPage((), None)


@get("/people/groups/{slug:str}", exception_handlers=ON_REFUSAL)
async def group(slug: FromPath[str], request: AnyRequest) -> Response[bytes]:
    reads = PageReads(request)
    if reads.value("edit"):
        require_changes(request)
        return await editing(request, A_GROUP, slug)
    path = f"/groups/{segment(slug)}"
    asked = [(name, value) for name, value in reads.sent if name in {"role", "cursor", "limit"}]
    record, members = await asyncio.gather(
        reads.get(path, GroupRecord), reads.get(f"{path}/members", MemberPage, asked)
    )
    return _page(
        request,
        "group.html",
        reads,
        group=record,
        members=members,
        role=reads.value("role"),
        roles=sorted({each.role for each in members.items}),
    )


def _page(request: AnyRequest, template: str, reads: PageReads, **context: Any) -> Response[bytes]:
    """Answer with what was read, and say as of when."""
    about: Any = {"is_first": not reads.value("cursor"), "position": reads.position, "now": datetime.now(UTC)}
    return shown(request, template, **about, **context)


HANDLERS = (person, group, *PAGES.handlers)
