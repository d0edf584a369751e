"""What Redis holds and HTTP shows."""

from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

import msgspec


class ProfileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A person as the read API serves it to those who may see everything."""

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
    created_at: datetime
    updated_at: datetime
    version: int
    profile_version: int


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
    created_at: datetime
    updated_at: datetime
    version: int
    profile_version: int


class Pointer(msgspec.Struct, frozen=True):
    """A generation and the version of the projection that fills it."""

    generation: str
    version: int


class Checkpoint(msgspec.Struct, frozen=True):
    """
    Which events a generation reflects.

    `count` events, the last of them `event_id` at `position`. `revision` grows with every write to the generation, so
    that equal checkpoints mean an untouched generation.
    """

    position: int = 0
    event_id: UUID | None = None
    count: int = 0
    revision: int = 0


class Announcement(msgspec.Struct, frozen=True):
    """Told to readers by every commit: `generation` now reflects the log up to `position`."""

    generation: str
    position: int


class Sealed(NamedTuple):
    """A stored document: the JSON that is served, its entity tag (RFC 9110, quoted) and the position it reflects."""

    position: int
    etag: str
    body: bytes


def entity_tag(body: bytes) -> str:
    """A strong entity tag: equal bytes have equal tags, whoever sealed them and when."""
    return f'"{urlsafe_b64encode(blake2b(body, digest_size=15).digest()).decode()}"'


def seal(*, position: int, body: bytes) -> bytes:
    """Put a header line `<position> <etag>` before the JSON, so that serving means cutting bytes, not decoding."""
    return b"%d %b\n%b" % (position, entity_tag(body).encode(), body)


def unseal(envelope: bytes) -> Sealed:
    """Take a sealed document apart; words that later releases add to the header are passed over."""
    header, _, body = envelope.partition(b"\n")
    position, etag, *_ = header.split(b" ")
    return Sealed(int(position), etag.decode(), body)
