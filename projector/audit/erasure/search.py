"""What is looked for after an erasure: the values that named the person, without case and accents."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from shared.text import folded

SHORTEST = 3
"""Characters of a value that is looked for: `en` or a single letter is everywhere."""

ANYWHERE = 8
"""Characters from which on a value is found inside of words; a shorter one only as a word: `Ann`, not `annual`."""

BETWEEN = "\0"
"""Stands in no value, since PostgreSQL takes none that has it: what is found in texts joined by it is found in one."""

TOO_SHORT, SHORT_NUMBER, OTHERS_HAVE_IT = "too short", "as short as other numbers", "others have it too"
"""Why a value is left out; a number of a few digits stands in positions, versions and times."""

_NO_VALUES = frozenset({"type", "account_id", "group_id", "membership_id", "groups", "status"})
"""Fields of events that say nothing of a person but ids, and words of Muster's own."""


class PersonalValue(NamedTuple):
    """A text that the log has of a person, and the field that it stands in."""

    field: str
    text: str


class ValuesLeftOut(msgspec.Struct, frozen=True, order=True):
    """Values of a field that are not looked for, how many and why: finding them would prove nothing."""

    field: str
    why: str
    values: int


class SearchTerm(NamedTuple):
    """
    A value that is looked for.

    :param forms: folded; as it is and as JSON has it.
    :param whole: only as a word of its own.
    """

    field: str
    forms: tuple[str, ...]
    whole: bool

    def is_in(self, text: str) -> bool:
        """:param text: folded."""
        return any(form in text and (not self.whole or _as_word(form, text)) for form in self.forms)


def values_of(events: Iterable[Mapping[str, Any]]) -> list[PersonalValue]:
    """Return all texts that events have of a person, each once."""
    found = {
        value: None
        for event in events
        for field, content in event.items()
        if field not in _NO_VALUES
        for value in _leaves(field, content)
    }
    return list(found)


class PersonalSearch:
    """The values of one person that no other has."""

    def __init__(self, values: Iterable[PersonalValue]) -> None:
        self._terms: dict[tuple[str, ...], SearchTerm] = {}
        self._left_out: dict[tuple[str, str], int] = {}
        for field, text in values:
            self._take(field, folded(text))

    @property
    def size(self) -> int:
        """How many values are looked for."""
        return len(self._terms)

    @property
    def left_out(self) -> list[ValuesLeftOut]:
        return sorted(ValuesLeftOut(field, why, count) for (field, why), count in self._left_out.items())

    def is_in_any(self, texts: Iterable[str | bytes]) -> bool:
        """Whether a value may stand in any of the texts; if none does, much faster than looking at each."""
        together = BETWEEN.join(map(_plain, texts))
        return any(each.is_in(together) for each in self._terms.values())

    def found_in(self, text: str | bytes) -> list[str]:
        """
        The fields whose values stand in a text.

        :param text: bytes where it is none, such as a hash: a short value would stand there by chance.
        """
        plain, is_text = _plain(text), isinstance(text, str)
        return [each.field for each in self._terms.values() if (is_text or not each.whole) and each.is_in(plain)]

    async def leave_out_what_is_in(self, others: AsyncIterator[Sequence[str]]) -> None:
        """Look no more for what the log has of others as well: it would be found, and be theirs."""
        async for texts in others:
            together = BETWEEN.join(map(folded, texts))
            for forms in [each.forms for each in self._terms.values() if each.is_in(together)]:
                self._leave_out(self._terms.pop(forms).field, OTHERS_HAVE_IT)

    def _take(self, field: str, text: str) -> None:
        if why := _why_left_out(text):
            self._leave_out(field, why)
            return
        escaped = msgspec.json.encode(text).decode()[1:-1]
        forms = tuple(dict.fromkeys((text, escaped)))
        self._terms.setdefault(forms, SearchTerm(field, forms, whole=len(text) < ANYWHERE))

    def _leave_out(self, field: str, why: str) -> None:
        self._left_out[field, why] = self._left_out.get((field, why), 0) + 1


def _why_left_out(text: str) -> str | None:
    """:param text: folded."""
    if len(text) < SHORTEST:
        return TOO_SHORT
    return SHORT_NUMBER if len(text) < ANYWHERE and not any(map(str.isalpha, text)) else None


def _plain(text: str | bytes) -> str:
    return folded(text if isinstance(text, str) else text.decode("utf-8", "replace"))


def _leaves(field: str, content: Any) -> Iterator[PersonalValue]:
    match content:
        case str():
            yield PersonalValue(field, content)
        case list():
            for each in content:
                yield from _leaves(field, each)
        case dict():
            for name, each in content.items():
                yield PersonalValue(f"{field} (name)", name)
                yield from _leaves(field, each)


def _as_word(form: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text) is not None


def fields_in_words(fields: Sequence[str]) -> str:
    """Fields in words, each once."""
    return ", ".join(sorted(set(fields)))
