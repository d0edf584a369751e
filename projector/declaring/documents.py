"""The documents of a projection, as its reactions read and save them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)


def own_id(id: str) -> str:
    """Return the id of a document as what its partition is found by."""
    return id


class Key(NamedTuple):
    """The key of a document: one of a kind, by the id of what it describes in the form that keys have."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Kind(Generic[Record]):
    """
    A kind of document: its name in Redis keys and the record it holds.

    :param orders: the lists in which its index rows stand, one for each of an index row's keys.
    :param is_tagged: whether documents have an entity tag: those that are served as they are.
    :param public: a base class of the record's: its fields, the first ones, are all that everybody may see.
    :param partitioned_by: gives, of a document's id, that of the account or group in whose partition it lies; None for
        documents that every partition needs.
    """

    name: str
    record: type[Record]
    orders: tuple[str, ...] = ()
    public: type[msgspec.Struct] | None = None
    is_tagged: bool = True
    partitioned_by: Callable[[str], str] | None = own_id

    @property
    def private(self) -> tuple[str, ...]:
        """The last fields of the record, which only some may see, if it is divided."""
        return self.record.__struct_fields__[len(self.public.__struct_fields__) :] if self.public else ()

    def key(self, id: UUID | str) -> Key:
        return _new(Key, (self.name, id if isinstance(id, str) else _text(id)))

    def by(self, *fields: str) -> Callable[[Any, object], Iterable[Key]]:
        """
        Return what names the document of an event: its id stands in these fields, joined by a colon.

        An event whose field is None names none.
        """
        ids = [attrgetter(each) for each in fields]

        def keys(event: Any, _: object) -> Iterable[Key]:
            found = [id_(event) for id_ in ids]
            return () if None in found else (_new(Key, (self.name, ":".join(map(_text, found)))),)

        return keys


def _text(id: UUID) -> str:
    """Faster than `str`, which is written in Python."""
    text: str = msgspec.to_builtins(id)
    return text


_new = tuple.__new__
"""What a named tuple's own constructor calls, for keys of which there are very many."""


class DocumentMissing(Exception):
    """A fold needs a document that does not exist: nothing in the log says how it came to be."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"there is no {key.kind} {key.id}")


class NotPrefetched(Exception):
    """A reaction touches a document that is not named beside it."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"{key.kind} {key.id} is touched and not named")


class ReadOnly(Exception):
    """A reaction saves a document that it only reads, as is said beside it."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"{key.kind} {key.id} is named to be read, and saved")


class Documents(Protocol):
    """
    The documents that a fold reads and saves.

    It knows the position each document reflects: what is saved or forgotten because of an event at or below that
    position is passed over, since the document reflects the event already.
    """

    def find(self, kind: Kind[Record], id: UUID | str) -> Record | None:
        """
        The record as all events so far made it, None if there is none.

        :raises NotPrefetched: the reaction does not name it.
        """

    def get(self, kind: Kind[Record], id: UUID | str) -> Record:
        """
        The record as all events so far made it.

        :raises DocumentMissing: there is none.
        :raises NotPrefetched: the reaction does not name it.
        """
        if (record := self.find(kind, id)) is None:
            raise DocumentMissing(kind.key(id))
        return record

    def save(self, kind: Kind[Record], id: UUID | str, record: Record) -> None:
        """Keep what the present event made of the record."""

    def change(self, kind: Kind[Record], id: UUID | str, **fields: Any) -> None:
        """
        Replace fields of the record.

        :raises DocumentMissing, NotPrefetched: as with `get`.
        """
        self.save(kind, id, msgspec.structs.replace(self.get(kind, id), **fields))

    def forget(self, kind: Kind[Record], id: UUID | str) -> None:
        """Drop the document; its index entries go with it."""
