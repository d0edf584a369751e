"""
How lists are ordered: the entries of sorted sets in which what is found together stands together.

All entries of an index have the same score, so that their bytes alone order them, as in an index of several columns:
`prefix key NUL id`. The prefix says which list it is, the key orders the list, and the id of the record tells equal
ones apart. What follows the prefix is the entry's **place**: where a page ends, a cursor says where to go on.
"""

from binascii import hexlify
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from operator import itemgetter
from uuid import UUID

import msgspec

from shared.text import filed

WORD = "word"
"""The index by word: `prefix word NUL key NUL id shared`, see `word_entries`."""

ANY_STATUS = b"-"
"""The status byte of records that have no status."""

EVERYBODY = b"*"
"""The facet that all records of a kind have."""

NUL = b"\0"
"""Stands in no key of text: control characters are refused on the write side."""

_ID = 16
_NAME = 36
_SUPERFLUOUS = ((4, 40), (28, 39), (32, 38))
"""Where names have no hyphen when one stands behind each four digits: the place, and the length of a name by then."""

_BYTES = [bytes((each,)) for each in range(256)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class IndexRow(msgspec.Struct, frozen=True, array_like=True):
    """
    In which lists a record stands, and where; kept beside its document, so that a list can be checked without it.

    It stands in the list of each facet, ordered by the first key, and in that of everybody ordered by each key.

    :param facets: `EVERYBODY`, then such as `group_facet` and `tag_facet`.
    :param status: one byte that divides each list; `STATUSES` for people.
    :param keys: one for each order, in the sequence that the projection and its view agree on; the first is the name.
    :param words: what `word_block` makes of its words.
    """

    facets: tuple[bytes, ...]
    status: bytes
    keys: tuple[bytes, ...]
    words: bytes

    def prefixes(self, nth: int) -> list[bytes]:
        """Of the lists it stands in that are ordered by the key at this place."""
        return [facet + self.status for facet in (self.facets[:1] if nth else self.facets)]

    def matched(self, prefix: str) -> bytes | None:
        """The first of its words (in the order of their bytes) that begins like this (not empty), None if none does."""
        if (at := self.words.find(NUL + prefix.encode())) < 0:
            return None
        return self.words[at + 1 : self.words.index(NUL, at + 1)]


STATUSES = {"active": b"a", "closed": b"c", "suspended": b"s"}
"""The byte by which the status of an account divides each list."""

PROFILE_ORDERS = ("display_name", "handle", "created_at", "updated_at")
GROUP_ORDERS = ("name", "slug", "created_at", "updated_at", "member_count")


def text_key(text: str) -> bytes:
    """Orders text as it is filed, by code point: the order of the bytes of that form in UTF-8."""
    return filed(text).encode()


def time_key(moment: datetime) -> bytes:
    """Orders moments by the microsecond, also those before 1970; 8 bytes."""
    since = moment - _EPOCH
    return number_key((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def number_key(number: int) -> bytes:
    """Orders whole numbers of 64 bits; 8 bytes."""
    return (number + (1 << 63)).to_bytes(8, "big")


def group_facet(group_id: UUID) -> bytes:
    """The facet of those who belong to a group."""
    return b"g" + group_id.bytes


def tag_facet(tag: str) -> bytes:
    """The facet of those who carry a tag, or one that reads alike."""
    return b"t" + filed(tag).encode() + NUL


def place(key: bytes, id: UUID) -> bytes:
    """Return the place of a record in a list."""
    return key + NUL + id.bytes


id_at: Callable[[bytes], bytes] = itemgetter(slice(-_ID, None))
"""Returns the bytes of the id with which a place, or an entry of a list by key, ends."""


def names_at(places: Iterable[bytes]) -> list[bytes]:
    """The same ids as they stand in hashes; without making UUIDs, since lists ask for very many."""
    ids = list(map(id_at, places))
    if len(joined := b"".join(ids)) < _ID * len(ids):  # one is torn, and stands nowhere
        joined = b"".join(each.ljust(_ID, b"\xff") for each in ids)
    digits = bytearray(hexlify(joined, b"-", 2))
    for hyphen, length in _SUPERFLUOUS:
        del digits[hyphen::length]
    digits[_NAME :: _NAME + 1] = b" " * (len(ids) - 1)
    return bytes(digits).split()


def name_at(place_: bytes) -> str:
    """The same of one."""
    return names_at([place_])[0].decode()


def word_block(words: Iterable[str]) -> bytes:
    """Words in the order of their bytes, each between two NULs: in which `NUL word` finds a prefix."""
    # The order of code points is that of their bytes in UTF-8.
    return "\0".join(("", *sorted(set(words)), "")).encode()


def word_entries(index_row: IndexRow, id: UUID) -> Sequence[bytes]:
    """
    One entry for each word: `status word NUL name NUL id shared`.

    The last byte says how many bytes the word shares with the one before it of the same record: a search for a
    prefix that is no longer has met the record already, at that word, and passes over this one.
    """
    return [begin + end for begin, end in word_entries_in_two(index_row, id)]


def word_entries_in_two(index_row: IndexRow, id: UUID) -> Sequence[tuple[bytes, bytes]]:
    """Return the same in two parts: `status word`, and what follows."""
    status, name = index_row.status, NUL + place(index_row.keys[0], id)
    return [(status + word, name + shared) for word, shared in _words(index_row.words)]


def _words(block: bytes) -> Sequence[tuple[bytes, bytes]]:
    """Each word of a block with the byte that ends its entry."""
    words = block[1:-1].split(NUL) if len(block) > 1 else []
    return [
        (word, _BYTES[min(_shared(before, word), 255)] if before[:1] == word[:1] else NUL)
        for before, word in pairwise([b"", *words])
    ]


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes they begin with are the same."""
    length = min(len(one), len(other))
    differing = int.from_bytes(one[:length]) ^ int.from_bytes(other[:length])  # one operation, whatever the length
    return length - (differing.bit_length() + 7) // 8


def first_matches(word_entries_: Iterable[bytes], length: int) -> list[bytes]:
    """Return the places of the entries whose record has no earlier word with the `length` bytes looked for (<= 255)."""
    return [entry[1:-1] for entry in word_entries_ if entry[-1] < length]


def word_place(word_entry: bytes) -> bytes:
    """The place of a word's entry behind its status: `word NUL name NUL id`."""
    return word_entry[1:-1]


def name_place(word_place_: bytes) -> bytes:
    """The place that the same record has in lists by name."""
    return word_place_[word_place_.index(NUL) + 1 :]


def end_of(prefix: bytes) -> bytes:
    """The first bytes that come after everything that begins with `prefix`, which has a byte other than 255."""
    rest = prefix.rstrip(b"\xff")
    return rest[:-1] + bytes((rest[-1] + 1,))
