"""The one normalisation of what people choose: for uniqueness, Redis keys, read routes, sorting and search."""

import unicodedata
from functools import lru_cache
from itertools import groupby

_SHORT = 64
"""Code points; the marks of so short a text are ordered in microseconds."""

_CACHED = 1 << 12
"""Texts; the longest that are accepted fill tens of megabytes."""


def composed(text: str) -> str:
    """Return text as it is stored: in NFC (Unicode Standard Annex #15), otherwise unchanged."""
    if len(text) > _SHORT and not unicodedata.is_normalized("NFC", text):
        text = _ordered(text)
    return unicodedata.normalize("NFC", text)


def printable(text: str) -> str:
    """Escape what could steer a terminal or begin another line: clients choose these texts."""
    return text if text.isprintable() else "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """The text without what could steer a terminal, its lines as they are."""
    return "\n".join(map(printable, text.split("\n")))


def unique_email(email: str) -> str:
    """Return the form in which two e-mail addresses are compared: without case (Unicode default caseless matching)."""
    return _caseless(email)


def unique_handle(handle: str) -> str:
    """Return the form in which two handles are compared: without case."""
    return _caseless(handle)


def unique_slug(slug: str) -> str:
    """Return the form in which two slugs are compared: without case."""
    return _caseless(slug)


def unique_external_id(external_id: str) -> str:
    """Return the form in which two external ids are compared: as they are, in NFC."""
    return composed(external_id)


def folded(text: str) -> str:
    """
    Return text without case and accents, as it is sorted and searched.

    Unicode's caseless matching, then NFKD without its marks (category Mn), then the letters that Unicode does not
    decompose as people type them, composed again: `André` and `ANDRE` are `andre`, `Łukasz` is `lukasz`, `Straße` is
    `strasse`, full-width letters are plain ones, and `김` stays one letter.
    """
    # What is all ASCII has no marks and composes with nothing.
    return text.lower() if text.isascii() else _folded(text)


@lru_cache(maxsize=_CACHED)
def words(text: str) -> frozenset[str]:
    """
    Return the words of a text as they are searched: runs of letters and digits of its folded form.

    The vowel signs of the scripts of India are part of a word; apostrophes, hyphens and all else stand between words:
    `O'Rourke` is `o` and `rourke`, in a query as in a record.
    """
    return frozenset(folded(text).translate(_SPACED).split())


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else f"\\u{ord(letter):04x}"


def _ordered(text: str) -> str:
    """
    Take a text apart, its marks in canonical order: the same text to Unicode.

    The time of `unicodedata.normalize` grows with the square of the number of unordered marks: minutes for a body of
    1 MiB, in which the process does nothing else.
    """
    parts = "".join(unicodedata.normalize("NFD", each) for each in text)
    runs = groupby(parts, key=lambda each: unicodedata.combining(each) > 0)
    return "".join("".join(sorted(run, key=unicodedata.combining) if marks else run) for marks, run in runs)


def _caseless(text: str) -> str:
    return text.lower() if text.isascii() else composed(composed(text).casefold())


@lru_cache(maxsize=_CACHED)
def _folded(text: str) -> str:
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # Composed at the end: Hangul, which NFKD takes apart, is one character a syllable again.
    letters = "".join(each for each in parts if unicodedata.category(each) != "Mn")
    return composed(letters.translate(_TYPED_AS))


def _spaced(letter: str) -> str:
    """Return the letter if it is part of a word, else a space."""
    return letter if letter.isalnum() or unicodedata.category(letter) == "Mc" else " "


class _Spaced(dict[int, str]):
    """A table for `str.translate`: the first characters are there, others are added when they come."""

    def __missing__(self, code: int) -> str:
        return _spaced(chr(code))


_TYPED_AS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ł": "l", "ŧ": "t", "ŋ": "n"}
    | {"\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
_SPACED = _Spaced({code: _spaced(chr(code)) for code in range(1 << 7)})
