"""What Redis holds and HTTP shows."""

from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType


class ProfileGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group as it stands in the record of somebody who belongs to it."""

    group_id: UUID
    slug: str
    name: str
    role: str


class ProfileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    A person as the read API serves it to those who may see everything.

    `stale_since`, of this and of other records, is only there while an event of it is parked; it is put into the JSON
    when that is sealed, and no projection knows it.
    """

    account_id: UUID
    handle: str
    display_name: str
    given_name: str | None
    family_name: str | None
    title: str | None
    bio: str | None
    email: str
    status: str
    locale: str | None
    time_zone: str | None
    picture_url: str | None
    links: dict[str, str]
    tags: tuple[str, ...]
    attributes: dict[str, str]
    external_id: str | None
    groups: tuple[ProfileGroup, ...] = ()
    created_at: datetime
    updated_at: datetime
    version: int
    profile_version: int
    stale_since: datetime | UnsetType = UNSET


class PublicProfileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A person as everybody may see it: without e-mail address, external id and attributes."""

    account_id: UUID
    handle: str
    display_name: str
    given_name: str | None
    family_name: str | None
    title: str | None
    bio: str | None
    status: str
    locale: str | None
    time_zone: str | None
    picture_url: str | None
    links: dict[str, str]
    tags: tuple[str, ...]
    groups: tuple[ProfileGroup, ...] = ()
    created_at: datetime
    updated_at: datetime
    version: int
    profile_version: int
    stale_since: datetime | UnsetType = UNSET


class GroupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A group as the read API serves it."""

    group_id: UUID
    slug: str
    name: str
    description: str | None
    external_id: str | None
    member_count: int
    created_at: datetime
    updated_at: datetime
    version: int
    stale_since: datetime | UnsetType = UNSET


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """The first half of a member's card: who it is. Kept once, however many groups somebody belongs to."""

    account_id: UUID
    handle: str
    display_name: str
    status: str


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """The second half of a member's card: what he is in the group, and since when."""

    role: str
    since: datetime


class MemberCard(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a group as the read API serves it: a `Person` and a `Membership`, side by side."""

    account_id: UUID
    handle: str
    display_name: str
    status: str
    role: str
    since: datetime
    stale_since: datetime | UnsetType = UNSET


class ActivityRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that happened to an account.

    :param type: the event's, such as `handle-changed`.
    :param position: of the event in the log.
    :param details: what else can be told of it, such as `{"old": …, "new": …}`.
    """

    account_id: UUID
    type: str
    position: int
    at: datetime
    actor: str
    details: dict[str, str | tuple[str, ...] | None]


class AccountCounts(msgspec.Struct, frozen=True):
    active: int = 0
    suspended: int = 0
    closed: int = 0


class DayCount(msgspec.Struct, frozen=True):
    """How many there were on a day (in UTC, RFC 3339 `full-date`)."""

    day: str
    count: int


class StatsRecord(msgspec.Struct, frozen=True):
    """The directory in numbers; `registrations` has the days on which there were any, in order."""

    accounts: AccountCounts = AccountCounts()
    groups: int = 0
    memberships: int = 0
    registrations: tuple[DayCount, ...] = ()
    stale_since: datetime | UnsetType = UNSET


class Pointer(msgspec.Struct, frozen=True):
    """A generation and the version of the projection that fills it."""

    generation: str
    version: int


class Sweep(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    An event that concerns every document of a list, and how far along the list it has been brought.

    :param position: the event's.
    :param done: the last entry of the list whose document reflects the event; None before the first.
    :param since: where the checkpoint stood when a parked event was retried and began the sweep; 0 for all others.
    """

    position: int
    done: bytes | None = None
    since: int = 0


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Which events a generation reflects.

    `count` events, the last of them `event_id` at `position`. `revision` grows with every write to the generation, so
    that equal checkpoints mean an untouched generation. `sweeps` are under way, in the order in which they began.
    `parked` is the revision at which what is parked was last written (see `GenerationKeys.parked`), 0 if nothing is.
    """

    position: int = 0
    event_id: UUID | None = None
    count: int = 0
    revision: int = 0
    sweeps: tuple[Sweep, ...] = ()
    parked: int = 0

    @property
    def reached(self) -> int:
        """What readers are told: every document that is not stale reflects every event up to here."""
        return next((each.position - 1 for each in self.sweeps if not each.since), self.position)


class Announcement(msgspec.Struct, frozen=True):
    """Told to readers by every commit: `generation` now reflects the log up to `position`, a checkpoint's `reached`."""

    generation: str
    position: int


class Sealed(NamedTuple):
    """
    A stored document: the JSON that is served, its entity tag (RFC 9110, quoted) and the position it reflects.

    `stale_since` is when the first event occurred that is parked for it (RFC 3339); the JSON tells it too.
    """

    position: int
    etag: str
    body: bytes
    stale_since: str | None = None


def entity_tag(body: bytes) -> str:
    """A strong entity tag: equal bytes have equal tags, whoever sealed them and when."""
    return f'"{urlsafe_b64encode(blake2b(body, digest_size=15).digest()).decode()}"'


def seal(*, position: int, body: bytes, stale_since: str | None = None) -> bytes:
    """
    Put a header line `<position> <etag>` before the JSON, so that serving means cutting bytes, not decoding.

    What is stale says so in both: `<position> <etag> <stale_since>`, and a last field of the JSON.
    """
    if stale_since is None:
        return b"%d %b\n%b" % (position, entity_tag(body).encode(), body)
    marked = mark_stale(body, stale_since)
    return b"%d %b %b\n%b" % (position, entity_tag(marked).encode(), stale_since.encode(), marked)


def unseal(envelope: bytes) -> Sealed:
    """Take a sealed document apart; words that later releases add to the header are passed over."""
    header, _, body = envelope.partition(b"\n")
    position, etag, *marks = header.split(b" ")
    return Sealed(int(position), etag.decode(), body, marks[0].decode() if marks else None)


def mark_stale(body: bytes, since: str) -> bytes:
    """The JSON of a record (never an empty one), with `stale_since` as its last field."""
    return body[:-1] + _mark(since)


def without_mark(sealed: Sealed) -> bytes:
    """The JSON as it was before it was marked."""
    if sealed.stale_since is None:
        return sealed.body
    return sealed.body.removesuffix(_mark(sealed.stale_since)) + b"}"


def _mark(since: str) -> bytes:
    return b',"stale_since":"%b"}' % since.encode()
