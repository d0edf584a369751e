"""How a document differs from what it should be: entity and field, in words that an operator can read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from projector.audit.verify.expectation import Expected
from projector.declaring.documents import Key
from projector.declaring.index_entries import Entry, SortedEntry, UniqueEntry
from projector.store.collections import StoredCollection, Variant, index_of
from projector.store.inspection import GenerationSnapshot
from shared.read_model.envelope import unseal
from shared.read_model.keys import VARIANTS
from shared.read_model.ordering import IndexRow

MOST_DETAILS = 1_000
"""Reported in full; all differences are counted."""

_MISSING = object()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """
    One field of one entity that is not as it should be.

    :param entity: kind and id, such as `profile 0198…`; of an entry that leads nowhere, where it stands.
    :param field: of the record; `public` is how much of it everybody is shown, `by-…` and `list:…` are of what leads to
        it, `state.…` where PostgreSQL's state is not what the log tells.
    :param expected: null if there should be nothing.
    :param found: null if there is nothing.
    """

    projection: str
    entity: str
    field: str
    expected: Any
    found: Any


class Findings:
    """The documents and entries of one projection that are not as they should be."""

    def __init__(self) -> None:
        self.documents: dict[Key, int] = {}
        """How many differences each has."""
        self.foreign: dict[Entry, str] = {}
        """Entries that should not be there, and what they lead to: an empty text for those of lists."""
        self.state = 0
        """How many there are between the log and PostgreSQL's state."""
        self.details: list[Difference] = []

    def add_document(self, key: Key, differences: Sequence[Difference]) -> None:
        self.documents[key] = len(differences)
        self._report(differences)

    def add_foreign(self, entry: Entry, owner: str, difference: Difference) -> None:
        self.foreign[entry] = owner
        self._report([difference])

    def add_state(self, difference: Difference) -> None:
        self.state += 1
        self._report([difference])

    @property
    def in_store(self) -> int:
        """How many differences there are in the store."""
        return sum(self.documents.values()) + len(self.foreign)

    @property
    def count(self) -> int:
        return self.in_store + self.state

    def _report(self, differences: Sequence[Difference]) -> None:
        room = MOST_DETAILS - len(self.details)
        self.details += differences[: max(0, room)]


class StoredVariants(NamedTuple):
    """The stored forms of a document."""

    index_row: bytes | None
    full: bytes | None


def stored_variants(key: Key, snapshot: GenerationSnapshot) -> StoredVariants:
    return StoredVariants(*(snapshot.documents[key, variant] for variant in VARIANTS))


def differences_of(
    key: Key, expected: Sequence[Expected], snapshot: GenerationSnapshot, *, projection: str
) -> list[Difference]:
    """
    Every field in which a document, or what leads to it, is none of the things that would be right.

    :param expected: what would be right, at the checkpoint of the snapshot; the nearest of them is reported.
    """
    nearest = min((list(_differences(key, each, snapshot)) for each in expected), key=len)
    entity = f"{key.kind} {key.id}"
    return [
        Difference(projection=projection, entity=entity, field=field, expected=due, found=found)
        for field, due, found in nearest
    ]


def missing_of(key: Key, expected: Expected, snapshot: GenerationSnapshot) -> Iterator[StoredCollection]:
    """Where a document, or something that leads to it, should stand and nothing does."""
    yield from (Variant(key.kind, each) for each in expected.variants if snapshot.documents[key, each] is None)
    yield from (index_of(entry) for entry in expected.entries if snapshot.owners[entry] is None)


FieldDifference: TypeAlias = tuple[str, Any, Any]
"""Field, expected, found."""


def _differences(key: Key, expected: Expected, snapshot: GenerationSnapshot) -> Iterator[FieldDifference]:
    found, position = stored_variants(key, snapshot), snapshot.checkpoint.position
    yield from sealed_differences(expected.full, found.full, position=position)
    yield from _index_row_differences(expected, found.index_row)
    yield from _entry_differences(key, expected.entries, snapshot)


def sealed_differences(expected: bytes | None, found: bytes | None, *, position: int) -> Iterator[FieldDifference]:
    """
    Compare two sealed documents: the bytes that are served, and their entity tag.

    A crash can leave a document that names a lower position than it reflects, which does no harm: what is behind the
    checkpoint is not folded again. One above the checkpoint's would keep events from being folded.
    """
    if expected == found:
        return
    if expected is None or found is None:
        yield "document", _shown(expected), _shown(found)
        return
    try:
        reflected, etag, body, mark, public = unseal(found)
    except ValueError:
        yield "document", _shown(expected), _text(found)
        return
    due = unseal(expected)
    if body != due.body:
        yield from _field_differences(due.body, body)
    elif etag != due.etag:
        yield "etag", due.etag, etag
    elif mark != due.stale_since:  # the header's
        yield "stale_since", due.stale_since, mark
    elif public != due.public:
        yield "public", due.public, public
    if reflected > position:
        yield "position", due.position, reflected


def fields_that_differ(expected: dict[str, Any], found: dict[str, Any]) -> Iterator[FieldDifference]:
    """Field by field, in the order of what is expected; a field that only one side has is null on the other."""
    for field in {**expected, **found}:
        one, other = expected.get(field, _MISSING), found.get(field, _MISSING)
        if one != other:
            yield field, None if one is _MISSING else one, None if other is _MISSING else other


def foreign(entry: Entry, owner: str, *, projection: str) -> Difference:
    """An entry that should not be there."""
    if isinstance(entry, UniqueEntry):
        where, what, found = entry.by, entry.value, owner
    else:
        where, what, found = f"list:{entry.by}", _text(entry.entry), _text(entry.entry)
    return Difference(projection=projection, entity=f"{where} {what}", field=where, expected=None, found=found)


def _field_differences(expected: bytes, found: bytes) -> Iterator[FieldDifference]:
    one, other = _object(expected), _object(found)
    if one is None or other is None:
        yield "document", _text(expected), _text(found)
        return
    differing = list(fields_that_differ(one, other))
    yield from differing
    if not differing:  # the same JSON in other bytes
        yield "document", _text(expected), _text(found)


def _index_row_differences(expected: Expected, found: bytes | None) -> Iterator[FieldDifference]:
    if expected.packed == found:
        return
    due, there = _index_row_shown(expected.index_row), _unpacked(found)
    if isinstance(due, dict) and isinstance(there, dict):
        yield from ((f"index_row.{field}", one, other) for field, one, other in fields_that_differ(due, there))
    else:
        yield "index_row", due, there


def _unpacked(packed: bytes | None) -> dict[str, Any] | str | None:
    """Return a stored index row as it is shown; its bytes as text, if it is none."""
    try:
        return None if packed is None else _index_row_shown(msgspec.msgpack.decode(packed, type=IndexRow))
    except msgspec.DecodeError:
        return _text(packed or b"")


def _entry_differences(key: Key, entries: Iterable[Entry], snapshot: GenerationSnapshot) -> Iterator[FieldDifference]:
    for entry in entries:
        owner = snapshot.owners.get(entry)
        if isinstance(entry, SortedEntry):
            if owner is None:
                yield f"list:{entry.by}", _text(entry.entry), None
        elif owner != key.id:
            yield f"{entry.by} {entry.value}", key.id, owner


def _shown(envelope: bytes | None) -> Any:
    """A sealed document's JSON; its bytes as text, if it has none."""
    if envelope is None:
        return None
    try:
        return msgspec.json.decode(unseal(envelope).body)
    except ValueError:
        return _text(envelope)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return decoded if isinstance(decoded, dict) else None


def _index_row_shown(index_row: IndexRow | None) -> dict[str, Any] | None:
    if index_row is None:
        return None
    return {
        "facets": list(map(_text, index_row.facets)),
        "status": _text(index_row.status),
        "keys": list(map(_text, index_row.keys)),
        "words": _text(index_row.words),
    }


def _text(value: bytes) -> str:
    """Bytes as text: what is not ASCII is written as Python writes it."""
    return repr(value)[2:-1]
