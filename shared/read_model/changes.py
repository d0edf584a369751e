"""The change feed as it is stored: items without values, packed into blocks of positions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

BLOCK = 32
"""Positions of a block: one more item writes a block anew, and each block costs Redis a field of a hash."""

ACCOUNT_ERASED = "account-erased"
"""The one type whose item goes on naming an account that was erased: readers are to forget it too."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "handle-changed": ("handle",),
    "email-changed": ("email", "email_verified"),
    "email-verified": ("email_verified",),
    "account-suspended": ("status",),
    "account-reinstated": ("status",),
    "account-closed": ("status",),
    ACCOUNT_ERASED: (),
    "slug-changed": ("slug",),
    "group-deleted": (),
    "member-added": ("role",),
    "member-role-changed": ("role",),
    "member-removed": (),
}
"""The fields of a record that an event changes, by its type, where all of a type change the same; kept with no item."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Return a time as items have it."""
    return (at - _EPOCH) // _MICROSECOND


class ChangeItem(msgspec.Struct, frozen=True, array_like=True):
    """
    An event as the feed keeps it.

    :param id: of the event, 16 bytes; as are those of the account and the group that it is about.
    :param at: microseconds since 1970.
    :param version: of its aggregate.
    :param fields: the names of the fields that it changes, unless its type says them: see `FIELDS`.
    """

    position: int
    id: bytes
    type: str
    at: int
    version: int
    account: bytes | None
    group: bytes | None
    fields: tuple[str, ...] | None

    @property
    def time(self) -> datetime:
        return _EPOCH + timedelta(0, 0, self.at)

    @property
    def changed(self) -> Sequence[str]:
        """The names of all fields that the event changes."""
        return FIELDS.get(self.type, ()) if self.fields is None else self.fields

    def still_names(self, account: bytes) -> bool:
        """Whether it names an account otherwise than to say that it was erased."""
        return self.account == account and self.type != ACCOUNT_ERASED


class ChangeBlock(msgspec.Struct, frozen=True):
    """
    The items of so many positions, in order.

    :param items: one array in MessagePack, of 65,535 at most, whose head has always the same length: one more is
        appended without looking at the others.
    """

    items: bytes = b"\xdc\0\0"

    @classmethod
    def of(cls, items: Sequence[ChangeItem]) -> "ChangeBlock":
        return cls(_head(len(items)) + b"".join(map(_encode, items)))

    def with_one_more(self, item: ChangeItem) -> "ChangeBlock":
        return ChangeBlock(_head(len(self) + 1) + self.items[_HEAD:] + _encode(item))

    def __len__(self) -> int:
        return int.from_bytes(self.items[1:_HEAD], "big")

    def unpacked(self) -> list[ChangeItem]:
        """:raises msgspec.DecodeError: it holds something else."""
        return _decode(self.items)


def block_at(position: int) -> int:
    """Return the number of the block in which a position stands."""
    return position // BLOCK


def blocks_at(positions: Iterable[int]) -> Sequence[int]:
    """Return the numbers of the blocks in which positions stand, each once."""
    return sorted({block_at(each) for each in positions})


_HEAD = 3


def _head(length: int) -> bytes:
    return b"\xdc" + length.to_bytes(2, "big")


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[ChangeItem]).decode
