"""What an erasure audit has searched, and what it found: places and fields, never a value."""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from projector.audit.erasure.search import PersonalSearch, ValuesLeftOut


class SearchedPlace(msgspec.Struct, kw_only=True):
    """
    A place that was searched.

    :param place: such as `postgresql event_log.data`, a key of Redis or a log file.
    :param checked: values, fields, entries or lines.
    :param found: how many of them have something of the person.
    :param what: of which fields the values found are; `account id` where not even that should be.
    """

    place: str
    checked: int = 0
    found: int = 0
    what: list[str] = []


class ErasureReport(msgspec.Struct, kw_only=True):
    """
    The answer of `muster erase --prove`.

    :param position: of the erasure in the log.
    :param erased: `now`, or `before`: then the values are not known any more, and only what names the id is found.
    :param sought: how many values were looked for.
    :param behind: generations that have not come to the erasure, or are still to be removed.
    """

    account_id: str
    position: int
    erased: str
    sought: int
    left_out: list[ValuesLeftOut]
    behind: list[str]
    places: list[SearchedPlace]

    @property
    def found(self) -> int:
        return sum(each.found for each in self.places)

    @property
    def is_proven(self) -> bool:
        """Whether nothing of the person was found, and nothing was left to wait for."""
        return not self.found and not self.behind


class SearchedPlaces:
    """Searches place by place, and keeps how much was found where."""

    def __init__(self, search: PersonalSearch) -> None:
        self.sought = search
        self._places: dict[str, SearchedPlace] = {}

    def sorted(self) -> list[SearchedPlace]:
        """Return all places by their names."""
        return [self._places[name] for name in sorted(self._places)]

    def search(self, place: str, texts: Sequence[str | bytes], *, naming: Collection[int] = ()) -> None:
        """
        Search what stands in a place, or a part of it.

        :param naming: which of the texts name the account's id where that should not be.
        """
        at = self._places.setdefault(place, SearchedPlace(place=place))
        at.checked += len(texts)
        if naming or self.sought.is_in_any(texts):
            for nth, text in enumerate(texts):
                if fields := [*self.sought.found_in(text), *(["account id"] if nth in naming else [])]:
                    at.found += 1
                    at.what = sorted({*at.what, *fields})

    def note(self, place: str, *, checked: int, found: int, what: Iterable[str]) -> None:
        """Keep what was searched elsewhere."""
        self._places[place] = SearchedPlace(place=place, checked=checked, found=found, what=list(what) if found else [])
