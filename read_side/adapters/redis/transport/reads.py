"""What can be read of a projection in one command: of hashes and sorted sets that a view names for short."""

from typing import NamedTuple, TypeAlias

from shared.read_model.ordering import end_of
from shared.redis.pipelined import pack, pack_alike


class Field(NamedTuple):
    """One field of one of a view's hashes; those that several ask for share one command."""

    hash: str
    field: bytes


class Fields(NamedTuple):
    """Many fields of one hash, at least one; answered with a list of values."""

    of: str
    fields: tuple[bytes, ...]

    def __hash__(self) -> int:
        return hash((self.of, self.fields[0], self.fields[-1]))  # to hash hundreds would take as long as to read them

    @property
    def weight(self) -> int:
        return len(self.fields)

    def packed(self, key: bytes) -> bytes:
        return pack_alike(b"HMGET", key, self.fields)


class Range(NamedTuple):
    """
    The first entries of a sorted set between two ends, as `ZRANGE … BYLEX` names ends; answered with a list of entries.

    :param start: where to begin; the greater end if descending.
    """

    of: str
    start: bytes
    stop: bytes
    limit: int
    descending: bool = False

    @property
    def weight(self) -> int:
        return _weight(self.limit)

    def packed(self, key: bytes) -> bytes:
        direction = ("REV",) if self.descending else ()
        return pack("ZRANGE", key, self.start, self.stop, "BYLEX", *direction, "LIMIT", "0", self.limit)


class Count(NamedTuple):
    """How many entries of a sorted set begin with a prefix; answered with a number."""

    of: str
    prefix: bytes

    @property
    def weight(self) -> int:
        return 1

    def packed(self, key: bytes) -> bytes:
        return pack("ZLEXCOUNT", key, *ends(self.prefix))


class Scores(NamedTuple):
    """
    Whether entries stand in a sorted set, one at least; answered with a list in which those that do not are None.

    :param prefix: of all of them.
    :param rests: what follows it in each.
    """

    of: str
    prefix: bytes
    rests: tuple[bytes, ...]

    def __hash__(self) -> int:
        return hash((self.of, self.prefix, self.rests[0], self.rests[-1]))  # as with `Fields`

    @property
    def weight(self) -> int:
        return _weight(len(self.rests))

    def packed(self, key: bytes) -> bytes:
        return pack_alike(b"ZMSCORE", key, self.rests, prefix=self.prefix)


def _weight(entries: int) -> int:
    """An entry of a sorted set takes Redis a quarter of the time that a document takes."""
    return 1 + entries // 4


Read: TypeAlias = Fields | Range | Count | Scores


def ends(prefix: bytes) -> tuple[bytes, bytes]:
    """The ends between which all entries stand that begin with a prefix; nothing comes after one of 255s alone."""
    return b"[" + prefix, b"(" + end_of(prefix) if prefix.rstrip(b"\xff") else b"+"
