"""What a server would hold, in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from projector.store.writes import Drop, Enlist, Put, Remove, Set, Strike, Write
from shared.errors import Unavailable
from shared.read_model.keys import HOME, Keyspace
from shared.read_model.positions import Announcement


@dataclass
class MemoryStore:
    """
    The content of a server, under the same keys: strings, hashes and lists (as sets: here they need no order).

    It can be made to fail: by `available`, by `evicts`, and by `torn_after`, which crashes it in the middle of the
    next commit, once so many of its writes (counted field by field) are applied.
    """

    content: dict[str, bytes | dict[str, bytes] | set[bytes]] = field(default_factory=dict)
    announced: list[Announcement] = field(default_factory=list)
    available: bool = True
    evicts: bool = False
    torn_after: int | None = None
    keyspace: Keyspace = HOME

    def check(self) -> None:
        if not self.available:
            raise Unavailable("the store in memory was made unavailable")

    def string(self, key: str) -> bytes | None:
        value = self.content.get(key)
        return value if isinstance(value, bytes) else None

    def field(self, key: str, name: str) -> bytes | None:
        value = self.content.get(key, {})
        return value.get(name) if isinstance(value, dict) else None

    def fields(self, key: str) -> dict[str, bytes]:
        value = self.content.get(key)
        return dict(value) if isinstance(value, dict) else {}

    def apply(self, transaction: Iterable[Write]) -> list[str]:
        """Apply a transaction whole, says what failed: as in Redis, that keeps nothing else from being applied."""
        torn_after, self.torn_after = self.torn_after, None
        failures = [failure for write in head(transaction, torn_after) if (failure := self._apply_one(write))]
        if torn_after is not None:
            raise Unavailable("the store in memory crashed in the middle of a commit")
        return failures

    def listed(self, key: str) -> set[bytes]:
        value = self.content.get(key)
        return value if isinstance(value, set) else set()

    def _apply_one(self, write: Write) -> str | None:
        if isinstance(write, Set):
            self.content[write.key] = write.value
            return None
        if isinstance(write, Drop):
            self.content.pop(write.key, None)
            return None
        kind = set if isinstance(write, Enlist | Strike) else dict
        value = self.content.setdefault(write.key, kind())
        if not isinstance(value, kind):
            return f"{write.key} is no {kind.__name__}"
        _change(value, write)
        return None


def _change(value: Any, write: Put | Remove | Enlist | Strike) -> None:
    match write:
        case Put(_, fields):
            value.update(fields)
        case Remove(_, names):
            for name in names:
                value.pop(name, None)
        case Enlist(_, entries):
            value.update(entries)
        case Strike(_, entries):
            value.difference_update(entries)


def head(transaction: Iterable[Write], length: int | None) -> Iterator[Write]:
    """The first writes of a transaction, counted field by field; all of them if no length is given."""
    return islice((part for write in transaction for part in _singly(write)), length)


def _singly(write: Write) -> Iterator[Write]:
    match write:
        case Put(key, fields):
            yield from (Put(key, {name: value}) for name, value in fields.items())
        case Remove(key, names):
            yield from (Remove(key, [name]) for name in names)
        case Enlist(key, entries) | Strike(key, entries):
            yield from (type(write)(key, [entry]) for entry in entries)
        case _:
            yield write
