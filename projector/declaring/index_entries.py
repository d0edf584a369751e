"""Where a record is to be found: by what is unique about it, and in sorted lists."""

from typing import NamedTuple, TypeAlias


class UniqueEntry(NamedTuple):
    """An index entry that finds one document: by what, and the value in its normalised form."""

    by: str
    value: str


class SortedEntry(NamedTuple):
    """An index entry that stands in a sorted list: which (see `GenerationKeys.sorted_entries`), and its bytes."""

    by: str
    entry: bytes


Entry: TypeAlias = UniqueEntry | SortedEntry
"""Where a record is to be found."""

OwnedEntry: TypeAlias = tuple[Entry, str]
"""An index entry and the id of the document it leads to."""
