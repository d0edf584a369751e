"""The one normalisation of what people choose: for uniqueness, Redis keys, read routes, sorting and search."""

import re
import unicodedata
from functools import lru_cache


def composed(text: str) -> str:
    """Text as it is stored: in NFC (Unicode Standard Annex #15), otherwise unchanged."""
    return unicodedata.normalize("NFC", text)


def unique_email(email: str) -> str:
    """The form in which two e-mail addresses are compared: without case (Unicode default caseless matching)."""
    return composed(composed(email).casefold())


def unique_handle(handle: str) -> str:
    """The form in which two handles are compared: without case."""
    return composed(composed(handle).casefold())


def unique_slug(slug: str) -> str:
    """The form in which two slugs are compared: without case."""
    return composed(composed(slug).casefold())


def unique_external_id(external_id: str) -> str:
    """The form in which two external ids are compared: as they are, in NFC."""
    return composed(external_id)


@lru_cache(maxsize=1 << 15)
def folded(text: str) -> str:
    """
    Text without case and accents, as it is sorted and searched.

    Unicode's caseless matching, then NFKD without its marks (category Mn), then the letters that Unicode does not take
    apart written in those that people type for them: `André` and `ANDRE` are `andre`, `Łukasz` is `lukasz`.
    """
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # Composed at the end: Hangul, which NFKD takes apart, is one character a syllable again.
    letters = "".join(each for each in parts if unicodedata.category(each) != "Mn")
    return composed(letters.translate(_TYPED_AS))


@lru_cache(maxsize=1 << 15)
def words(text: str) -> frozenset[str]:
    """The words of a text as they are searched: runs of letters and digits of its folded form."""
    return frozenset(_WORD(folded(text)))


_TYPED_AS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ł": "l", "ŧ": "t", "ŋ": "n"}
    | {"\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)
_WORD = re.compile(r"[^\W_]+").findall
