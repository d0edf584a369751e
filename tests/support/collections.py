"""What the read side finds in Redis, written by `shared.read_model.ordering` without the projector."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

import msgspec
from redis import Redis
from redis.client import Pipeline

from shared.read_model import ordering
from shared.read_model.envelope import seal
from shared.read_model.keys import HOME, INDEX_ROW
from shared.read_model.positions import Announcement, Checkpoint, FanOutProgress, Pointer
from shared.read_model.records import (
    ActivityRecord,
    GroupRecord,
    Membership,
    Person,
    ProfileGroup,
    ProfileRecord,
    PublicProfileRecord,
    StatsRecord,
)
from shared.text import unique_email, unique_external_id, unique_handle, unique_slug, words

_encode = msgspec.json.Encoder().encode


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """
    A document, and every place where it is found.

    :param unique_entries: by which hash, and the field.
    :param listed: by which sorted set, and the entry.
    """

    kind: str
    id: str
    body: bytes
    public: bytes | None = None
    index_row: ordering.IndexRow | None = None
    unique_entries: tuple[tuple[str, str], ...] = ()
    listed: tuple[tuple[str, bytes], ...] = ()


def filed_profile(record: ProfileRecord) -> Filed:
    """A person, in the lists of all people, their groups and their tags."""
    public = PublicProfileRecord(**{name: getattr(record, name) for name in PublicProfileRecord.__struct_fields__})
    external = [] if record.external_id is None else [("by-external-id", unique_external_id(record.external_id))]
    index_row = profile_index_row(record)
    return Filed(
        kind="profile",
        id=str(record.account_id),
        body=_encode(record),
        public=_encode(public),
        index_row=index_row,
        unique_entries=(
            ("by-handle", unique_handle(record.handle)),
            ("by-email", unique_email(record.email)),
            *external,
        ),
        listed=tuple(_listed(index_row, ordering.PROFILE_ORDERS, record.account_id)),
    )


def profile_index_row(record: ProfileRecord) -> ordering.IndexRow:
    texts = (record.handle, record.display_name, record.given_name, record.family_name, record.title, *record.tags)
    groups, tags = (ordering.group_facet(each.group_id) for each in record.groups), map(ordering.tag_facet, record.tags)
    return ordering.IndexRow(
        (ordering.EVERYBODY, *groups, *tags),
        ordering.STATUSES[record.status],
        (
            ordering.text_key(record.display_name),
            ordering.text_key(unique_handle(record.handle)),
            ordering.time_key(record.created_at),
            ordering.time_key(record.updated_at),
        ),
        ordering.word_block(word for text in texts if text for word in words(text)),
    )


def filed_name(group: ProfileGroup) -> Filed:
    """What the projection of profiles knows of a group."""
    body = _encode({"group_id": group.group_id, "slug": group.slug, "name": group.name})
    unique_entries = (("by-slug", unique_slug(group.slug)),)
    return Filed(kind="group", id=str(group.group_id), body=body, unique_entries=unique_entries)


def filed_people(records: Iterable[ProfileRecord]) -> list[Filed]:
    """People, and the names of the groups to which they belong."""
    people = list(records)
    names = {group.group_id: group for record in people for group in record.groups}
    return [*map(filed_name, names.values()), *map(filed_profile, people)]


def filed_group(record: GroupRecord) -> Filed:
    keys = (
        ordering.text_key(record.name),
        ordering.text_key(record.slug),
        ordering.time_key(record.created_at),
        ordering.time_key(record.updated_at),
        ordering.number_key(record.member_count),
    )
    index_row = ordering.IndexRow(
        (ordering.EVERYBODY,), ordering.ANY_STATUS, keys, ordering.word_block(words(record.slug) | words(record.name))
    )
    return Filed(
        kind="group",
        id=str(record.group_id),
        body=_encode(record),
        index_row=index_row,
        unique_entries=(("by-slug", unique_slug(record.slug)),),
        listed=tuple(_listed(index_row, ordering.GROUP_ORDERS, record.group_id)),
    )


def filed_person(person: Person) -> Filed:
    return Filed(kind="person", id=str(person.account_id), body=_encode(person))


def filed_membership(group_id: UUID, account_id: UUID, membership: Membership) -> Filed:
    joined = ordering.place(ordering.time_key(membership.since), account_id)
    return Filed(
        kind="membership",
        id=f"{group_id}:{account_id}",
        body=_encode(membership),
        listed=(
            ("member", group_id.bytes + joined),
            ("member-role", group_id.bytes + membership.role.encode() + ordering.NUL + joined),
        ),
    )


def filed_activity(account_id: UUID, record: ActivityRecord, *, public: ActivityRecord | None = None) -> Filed:
    return Filed(
        kind="activity",
        id=str(record.position),
        body=_encode(record),
        public=_encode(public or record),
        listed=(("activity", account_id.bytes + record.position.to_bytes(8, "big")),),
    )


def filed_stats(record: StatsRecord) -> Filed:
    return Filed(kind="stats", id="directory", body=_encode(record))


def _listed(index_row: ordering.IndexRow, orders: Sequence[str], id_: UUID) -> Iterator[tuple[str, bytes]]:
    for order, key in zip(orders, index_row.keys, strict=True):
        yield from ((order, prefix + ordering.place(key, id_)) for prefix in index_row.prefixes())
    yield from (("word", entry) for entry in ordering.word_entries(index_row, id_))


class Collections:
    """
    Writes one generation of a projection into Redis as documents say they are found, with no help of the projector.

    What a document was found by before, it is found by no longer.
    """

    def __init__(self, client: Redis, *, projection: str, generation: str = "g1") -> None:
        self.client = client
        self.projection = HOME.projection(projection)
        self.keys = self.projection.generation(generation)
        self.pointer = msgspec.json.encode(Pointer(generation, 1))
        self._filed: dict[tuple[str, str], Filed] = {}

    def commit(
        self,
        filed: Iterable[Filed],
        *,
        dropped: Iterable[tuple[str, str]] = (),
        position: int,
        announce: bool = True,
        fan_outs: Iterable[int] = (),
    ) -> None:
        """Write and drop documents, by kind and id, in the live generation."""
        with self.client.pipeline(transaction=True) as pipe:
            for kind, id_ in dropped:
                self.drop(pipe, kind, id_)
            self.write(pipe, filed, position=position, fan_outs=fan_outs)
            pipe.set(self.projection.live, self.pointer)
            if announce:
                pipe.publish(self.projection.announce, _encode(Announcement(self.keys.name, position)))
            pipe.execute()

    def write(self, pipe: Pipeline, filed: Iterable[Filed], *, position: int, fan_outs: Iterable[int] = ()) -> None:
        """Put documents in their places; `fan_outs` are the positions of events that are still brought to others."""
        kept = list(filed)
        for each in kept:
            self._withdraw(pipe, self._filed.get((each.kind, each.id)))
        self._filed |= {(each.kind, each.id): each for each in kept}
        self.place(pipe, kept, position=position)
        checkpoint = Checkpoint(position=position, count=position, fan_outs=tuple(map(FanOutProgress, fan_outs)))
        pipe.set(self.keys.checkpoint, _encode(checkpoint))

    def place(self, pipe: Pipeline, filed: Iterable[Filed], *, position: int) -> None:
        """Put documents in places that nothing is known of, one command a key."""
        hashes: dict[str, dict[str, str | bytes]] = defaultdict(dict)
        lists: dict[str, dict[bytes, int]] = defaultdict(dict)
        for each in filed:
            for by, value in each.unique_entries:
                hashes[self.keys.unique_entries(by)][value] = each.id
            for by, entry in each.listed:
                lists[self.keys.sorted_entries(by)][entry] = 0
            for variant, content in _stored(each, position).items():
                hashes[self.keys.documents(each.kind, variant)][each.id] = content
        for key, fields in hashes.items():
            pipe.hset(key, mapping=fields)
        for key, entries in lists.items():
            pipe.zadd(key, entries)

    def drop(self, pipe: Pipeline, kind: str, id_: str) -> None:
        """Take a document away, and all that leads to it."""
        self._withdraw(pipe, self._filed.pop((kind, id_), None))
        for variant in ("full", "public", INDEX_ROW):
            pipe.hdel(self.keys.documents(kind, variant), id_)

    def _withdraw(self, pipe: Pipeline, filed: Filed | None) -> None:
        if filed is None:
            return
        for by, value in filed.unique_entries:
            pipe.hdel(self.keys.unique_entries(by), value)
        for by, entry in filed.listed:
            pipe.zrem(self.keys.sorted_entries(by), entry)


def _stored(filed: Filed, position: int) -> dict[str, bytes]:
    stored = {"full": seal(position=position, body=filed.body)}
    if filed.public is not None:
        stored["public"] = seal(position=position, body=filed.public)
    if filed.index_row is not None:
        stored[INDEX_ROW] = msgspec.msgpack.encode(filed.index_row)
    return stored
