"""
Members of groups.

A member's card is a `records.Person` and a `records.MembershipRecord` laid side by side. When a group is deleted its
memberships go one after another: they are shown only beside the group's own document.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from read_side.adapters.list_query import cannot_be
from read_side.adapters.redis.lists.page import GuardedPage
from read_side.adapters.redis.lists.range_scan import Chunk, RangeScan
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.reads import Field, Fields
from read_side.views import MemberQuery, Page
from shared.errors import Unavailable
from shared.read_model.envelope import UNTAGGED, Sealed, mark_stale, unseal, without_mark
from shared.read_model.keys import GenerationKeys
from shared.read_model.ordering import NUL, names_at, time_key
from shared.read_model.records import MembershipRecord
from shared.text import filed

MEMBERS, MEMBERS_BY_ROLE = "member", "member-role"
PEOPLE, MEMBERSHIPS = "person", "membership"

_decode = msgspec.json.Decoder(MembershipRecord).decode


def member_names(keys: GenerationKeys) -> dict[str, str]:
    """Every hash and sorted set that is read about members."""
    hashes = {kind: keys.documents(kind, "full") for kind in (PEOPLE, MEMBERSHIPS)}
    return {**hashes, **{by: keys.sorted_entries(by) for by in (MEMBERS, MEMBERS_BY_ROLE)}}


def of_member(group: bytes, account: bytes) -> tuple[Field, Field]:
    """Ask for both halves of a card."""
    return Field(PEOPLE, account), Field(MEMBERSHIPS, _membership(group, account))


def card(person: bytes | None, membership: bytes | None) -> Sealed | None:
    """Lay both halves of a card side by side, untagged; None if one is not there."""
    if person is None or membership is None:
        return None
    one, other = unseal(person), unseal(membership)
    body = without_mark(one)[:-1] + b"," + without_mark(other)[1:]
    if since := min(filter(None, (one.stale_since, other.stale_since)), key=datetime.fromisoformat, default=None):
        body = mark_stale(body, since)
    return Sealed(max(one.position, other.position), UNTAGGED, body, since)


async def find_members(read: ConsistentRead, group: bytes, query: MemberQuery, *, guard: Field) -> GuardedPage:
    """
    Find a page of a group's members in the order in which they joined, and read it.

    :param guard: what has to be read in the moment in which the page is.
    """
    chunk = Chunk((), None, 0, b"") if cannot_be(query.role or "") else await _chunk(read, group, query)
    shown, is_last = chunk.places[: query.limit], len(chunk.places) <= query.limit
    reply = await read.ask(guard, reads=_cards(group, shown) if shown else ())
    people, memberships = reply.results or ((), ())
    bodies = tuple(_bodies(shown, people, memberships, query))
    return GuardedPage(Page(read.position, bodies, None if is_last else shown[-1]), reply.values)


def _bodies(
    places: Sequence[bytes], people: Sequence[bytes | None], memberships: Sequence[bytes | None], query: MemberQuery
) -> Iterator[bytes]:
    """Give the cards of those who stand at these places."""
    for place, person, membership in zip(places, people, memberships, strict=True):
        if membership is not None and _stands(membership, place, query) and (found := card(person, membership)):
            yield found.body


async def _chunk(read: ConsistentRead, group: bytes, query: MemberQuery) -> Chunk:
    scan, limit = _range_scan(group, query.role), query.limit + 1
    results = (await read.ask(reads=scan.ranges(after=query.after, limit=limit, descending=False))).results
    return scan.chunk(results, limit=limit, descending=False)


def _range_scan(group: bytes, role: str | None) -> RangeScan:
    prefix = UUID(group.decode()).bytes
    if role is None:
        return RangeScan(MEMBERS, (prefix,))
    return RangeScan(MEMBERS_BY_ROLE, (prefix + filed(role).encode() + NUL,))


def _cards(group: bytes, places: Sequence[bytes]) -> tuple[Fields, Fields]:
    accounts = tuple(names_at(places))
    return Fields(PEOPLE, accounts), Fields(MEMBERSHIPS, tuple(_membership(group, each) for each in accounts))


def _membership(group: bytes, account: bytes) -> bytes:
    return b"%b:%b" % (group, account)


def _stands(envelope: bytes, place: bytes, query: MemberQuery) -> bool:
    """Whether a membership stands where it was found: it may have ended, and begun again, in between."""
    try:
        membership = _decode(unseal(envelope).body)
    except msgspec.MsgspecError as error:
        raise Unavailable("A membership cannot be read") from error
    has_role = query.role is None or filed(membership.role) == filed(query.role)
    return has_role and place.startswith(time_key(membership.since) + NUL)
