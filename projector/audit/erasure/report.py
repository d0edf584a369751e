"""What a proof of erasure has looked at, and what it found: places and fields, never a value."""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from projector.audit.erasure.search import LeftOut, Search


class Place(msgspec.Struct, kw_only=True):
    """
    Somewhere that was looked at.

    :param place: such as `postgresql event_log.data`, a key of Redis or a log file.
    :param checked: values, fields, entries or lines.
    :param found: how many of them have something of the person.
    :param what: of which fields the values found are; `account id` where not even that should be.
    """

    place: str
    checked: int = 0
    found: int = 0
    what: list[str] = []


class Proof(msgspec.Struct, kw_only=True):
    """
    The answer of `muster erase --prove`.

    :param position: of the erasure in the log.
    :param erased: `now`, or `before`: then nobody knows the values any more, and only what names the id is found.
    :param sought: how many values were looked for.
    :param behind: generations that have not come to the erasure, or are still to be removed.
    """

    account_id: str
    position: int
    erased: str
    sought: int
    left_out: list[LeftOut]
    behind: list[str]
    places: list[Place]

    @property
    def found(self) -> int:
        return sum(each.found for each in self.places)

    @property
    def holds(self) -> bool:
        """Whether nothing of the person was found, and nothing was left to wait for."""
        return not self.found and not self.behind


class Findings:
    """Takes note of what is looked at, place by place."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._places: dict[str, Place] = {}

    @property
    def places(self) -> list[Place]:
        return [self._places[name] for name in sorted(self._places)]

    def look_at(self, place: str, texts: Sequence[str], *, naming: Collection[int] = ()) -> None:
        """
        Look at what stands in a place, or at a part of it.

        :param naming: which of the texts name the account's id where that should not be.
        """
        at = self._places.setdefault(place, Place(place=place))
        at.checked += len(texts)
        if naming or self._search.is_in_any(texts):
            for nth, text in enumerate(texts):
                if fields := [*self._search.found_in(text), *(["account id"] if nth in naming else [])]:
                    at.found += 1
                    at.what = sorted({*at.what, *fields})

    def count(self, place: str, *, checked: int, found: int, what: Iterable[str]) -> None:
        """Take note of what was looked at elsewhere."""
        self._places[place] = Place(place=place, checked=checked, found=found, what=list(what) if found else [])
