"""What the feed can be asked for."""

import re
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

from read_side.http.parameters import filters
from read_side.http.parameters.conditions import GREATEST_POSITION, position
from read_side.http.parameters.filters import Filter
from read_side.http.problems import group_not_found
from read_side.views import ChangeQuery, GroupViews
from shared.events import EVENTS, type_of
from shared.http.parsing.parameters import Malformed, Parameters

TYPES = frozenset(map(type_of, EVENTS))
LONGEST_WAIT = 30

_is_seconds = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?").fullmatch


def event_type(text: str) -> str:
    if text not in TYPES:
        raise Malformed(f"must be a type of event: one of {', '.join(sorted(TYPES))}")
    return text


def id_bytes(text: str) -> bytes:
    return UUID(filters.account_id(text)).bytes


def seconds(text: str) -> float:
    """How long to wait for a change."""
    if not _is_seconds(text) or float(text) > LONGEST_WAIT:
        raise Malformed(f"must be seconds from 0 to {LONGEST_WAIT}")
    return float(text)


_Type = Annotated[str, Meta(extra_json_schema={"enum": sorted(TYPES)})]
_Position = Annotated[int, Meta(ge=0, le=GREATEST_POSITION)]

AFTER = Filter(
    "after",
    position,
    _Position,
    "The position behind which to begin: `next_after` of the page before. Without it: at the oldest that is kept.",
)
TYPE = Filter(
    "type",
    event_type,
    Annotated[tuple[_Type, ...], Meta(max_length=len(TYPES))],
    "A type of event; of several, each change is of one.",
)
ACCOUNT = Filter("account", id_bytes, UUID, "The id of an account: changes of it, its profile and its memberships.")
GROUP = replace(filters.GROUP, text="The id or slug of a group: changes of it and of its memberships.")
LIMIT = replace(filters.LIMIT, text="How many at most. A page may have fewer, even none, and not be the last.")
WAIT = Filter(
    "wait",
    seconds,
    Annotated[float, Meta(ge=0, le=LONGEST_WAIT)],
    "Seconds to wait for a change that fits, where none does yet.",
)
FILTERS: tuple[Filter[Any], ...] = (AFTER, TYPE, ACCOUNT, GROUP)


class Wanted(NamedTuple):
    """
    Which changes are wanted.

    :param query: without the group.
    :param group: its id or slug.
    """

    query: ChangeQuery
    group: str | None

    async def of_group(self, groups: GroupViews, *, minimum: int) -> ChangeQuery:
        """
        Return the query of the group that is meant now; a reader that goes on does so by its id.

        :param minimum: the position that the slugs must reflect.
        :raises Rejection: 404, no group has the slug.
        """
        if self.group is None or filters.is_uuid(self.group):
            return msgspec.structs.replace(self.query, group=self.group and UUID(self.group).bytes)
        found = await groups.freshness.reach(minimum, partial(groups.get, self.group))
        if found.document is None:
            raise group_not_found(found.position)
        return msgspec.structs.replace(self.query, group=_decode(found.document.body).group_id.bytes)


class _Group(msgspec.Struct):
    group_id: UUID


_decode = msgspec.json.Decoder(_Group).decode


def wanted_changes(parameters: Parameters) -> Wanted:
    """Take which changes are wanted."""
    query = ChangeQuery(
        after=AFTER.of(parameters, None),
        types=frozenset(parameters.many(TYPE.name, TYPE.parse, most=len(TYPES))),
        account=ACCOUNT.of(parameters, None),
    )
    return Wanted(query, GROUP.of(parameters, None))
