"""The one normalisation of what people choose: for uniqueness, Redis keys, read routes, sorting and search."""
# ruff: noqa: RUF001 - letters that look like others are what this is about

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import groupby

import idna

PART = "-"
"""Stands between the parts of a term."""

_SHORT = 64
"""Code points; the marks of so short a text are ordered in microseconds."""

_CACHED = 1 << 10
"""Texts; the longest that are accepted fill tens of megabytes."""

_LETTERS = 1 << 14
"""That a table holds at once: more than the names of a continent are written in, and a few megabytes."""

_LONGEST_DOMAIN = 253
"""In the domain name system."""


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


def shows(text: str) -> bool:
    """Whether a text shows anything: more than white space and invisible characters."""
    if text.isascii() and text.isprintable():
        return bool(text.strip())
    return any(not (each.isspace() or each in _BLANK or _is_invisible(each)) for each in text)


def unique_email(email: str) -> str:
    """
    Return the form in which two e-mail addresses are compared.

    The local part in lower case, and the domain in its ASCII form (IDNA as browsers apply it, UTS #46), without the dot
    of the root: `Jo@BÜCHER.example` is `jo@xn--bcher-kva.example`.
    """
    if email.isascii():
        return email.lower().rstrip(".")
    local, at, domain = email.rpartition("@")
    return composed(composed(local).lower()) + at + _looked_up(domain)


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
    Return text as a reader reads it, letter by letter.

    Case, accents, width and invisible characters do not count. Letters that look and mean alike are one, and so are the
    digits of all scripts, apostrophes, hyphens and dots: `André` is `andre`, `Łukasz` is `lukasz`, `Straße` is
    `strasse`, `کریمی` is `كريمي`, full-width letters are plain ones, and `김` stays one letter.
    """
    # What is all ASCII has no marks and composes with nothing.
    # Composed at the end: Hangul, which comes apart letter by letter, is one character a syllable again.
    return text.lower().replace("`", "'") if text.isascii() else composed(text.translate(_READ))


@lru_cache(maxsize=_CACHED)
def filed(text: str) -> str:
    """
    Return the form by which lists sort and filters compare: folded, without apostrophes, hyphens and dots.

    `O'Brien` is `obrien`; white space is one space between words.
    """
    if text.isascii():
        return " ".join(text.encode().translate(_ASCII_FOLDED, _ASCII_JOINTS).decode().split())
    return " ".join(folded(text).translate(_UNJOINED).split())


@lru_cache(maxsize=_CACHED)
def words(text: str) -> frozenset[str]:
    """
    Return the words by which a text is found: runs of letters and digits of its folded form.

    The vowel signs of the scripts of India are part of a word. Apostrophes, hyphens and dots join words and part them
    alike: `Anna-O'Brien` is found by `anna`, `o` and `brien`, and by `annaobrien` and `obrien`.
    """
    runs = _runs(text)
    if not (parted := [run for run in runs if PART in run]):
        return runs
    return runs.difference(parted).union(*map(_words_in, parted))


@lru_cache(maxsize=_CACHED)
def terms(text: str) -> frozenset[str]:
    """
    Return what a text looks for: each term is the beginning of a word.

    A term of several parts, such as `o-brien`, is looked for as one word (`obrien`) or as several (`o` and `brien`).
    """
    return frozenset(filter(None, (PART.join(parts_of(run)) for run in _runs(text))))


def parts_of(term: str) -> list[str]:
    """Take a term apart."""
    return [part for part in term.split(PART) if part]


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


def _looked_up(domain: str) -> str:
    """Return a domain as it is looked up. Encoding takes the square of the length: what no domain can be is left."""
    if len(domain) <= _LONGEST_DOMAIN:
        domain = ".".join(map(_label, composed("".join(map(_in_domain, domain))).split(".")))
    return composed(domain.lower()).rstrip(".")


def _in_domain(letter: str) -> str:
    """A letter as domains have it; one that none has is left, since people's addresses are taken as they are."""
    try:
        return idna.uts46_remap(letter, std3_rules=False)
    except idna.IDNAError:
        return letter.lower()


def _label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"


def _runs(text: str) -> frozenset[str]:
    """Return the runs of letters and digits, and of what joins and parts them alike."""
    if text.isascii():
        return frozenset(text.encode().translate(_ASCII_SPACED).decode().split())
    return frozenset(folded(text).translate(_SPACED).split())


def _words_in(run: str) -> Iterator[str]:
    """Give each part, and from each on all that follow as one word."""
    parts = parts_of(run)
    yield from parts
    for nth in range(len(parts) - 1):
        yield "".join(parts[nth:])


def _read(letter: str) -> str:
    """Return what a reader takes a letter for; nothing for a mark, or for what cannot be seen."""
    if letter in _APOSTROPHES:
        return "'"
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
    return composed("".join(map(_typed, parts)))


def _typed(letter: str) -> str:
    """Return how people type a letter that Unicode does not take apart."""
    if letter in _STRETCHES or unicodedata.category(letter) == "Mn" or unicodedata.combining(letter):
        return ""
    if _is_invisible(letter):
        return ""
    digit = unicodedata.decimal(letter, None)
    return _ALIKE.get(letter) or (_without_addition(letter) if digit is None else str(digit))


def _without_addition(letter: str) -> str:
    """Return `o` for `LATIN SMALL LETTER O WITH STROKE`, as Unicode calls `ø`: all that is left are no accents."""
    if unicodedata.category(letter) == "Pd":
        return "-"
    plain, addition, _ = unicodedata.name(letter, "").partition(" WITH ")
    if addition and plain.startswith(_ALPHABETS):
        with suppress(KeyError):
            return _read(unicodedata.lookup(plain))
    return letter


def _is_invisible(letter: str) -> bool:
    """Whether it is a format character, or one that Unicode has not shown if it is not known (UAX #44, 5.16.2)."""
    return unicodedata.category(letter) == "Cf" or ord(letter) in _IGNORABLE


def _spaced(letter: str) -> str:
    """Return the letter if it is part of a word, what stands for a joint, else a space."""
    if letter in "'-.":
        return PART
    return letter if letter.isalnum() or unicodedata.category(letter) == "Mc" else " "


class _LetterTable(dict[int, str]):
    """A table for `str.translate`, to which letters are added when they come; emptied when there are very many."""

    def __init__(self, of: Callable[[str], str]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, code: int) -> str:
        if len(self) >= _LETTERS:
            self.clear()
        self[code] = self._of(chr(code))
        return self[code]


_APOSTROPHES = frozenset("'`´ʹʻʼʽʾʿˈˊˋˮ՚׳״ߴߵ᾽᾿‘’‛′‵Ꞌꞌ")
_STRETCHES = frozenset("\N{ARABIC TATWEEL}\N{NKO LAJANYALAN}\N{MONGOLIAN NIRUGU}")
"""Draw a word out."""

_BLANK = frozenset("\N{BRAILLE PATTERN BLANK}\N{OBJECT REPLACEMENT CHARACTER}\N{MUSICAL SYMBOL NULL NOTEHEAD}")
_IGNORABLE = frozenset({0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0}).union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xFFF0, 0xFFF9), range(0xE0000, 0xE1000)
)
"""Unicode's Default_Ignorable_Code_Point without format characters."""

_ALPHABETS = ("LATIN SMALL LETTER ", "CYRILLIC SMALL LETTER ")
_ALIKE = {
    letter: plain
    for letters, plain in {
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ð": "d",
        "ŋ": "n",
        "ĸ": "q",
        "əǝɛ": "e",
        "ɔ": "o",
        "ı": "i",
        "ȷ": "j",
        "کڪ": "ك",
        "یىے": "ي",
        "ہھەة": "ه",
        "ٱ": "ا",
        "".join(_APOSTROPHES): "'",
        "−⁃": "-",
        "·‧•∙⋅⸱・ꞏ": ".",
    }.items()
    for letter in letters
}
_READ, _SPACED, _UNJOINED = _LetterTable(_read), _LetterTable(_spaced), str.maketrans("", "", "'-.")

_ASCII = bytes(range(128)).decode()
_ASCII_FOLDED = folded(_ASCII).encode().ljust(256)
_ASCII_SPACED = folded(_ASCII).translate(_SPACED).encode().ljust(256)
_ASCII_JOINTS = b"'`-."
"""Texts of ASCII alone are many, and bytes are translated in a tenth of the time."""
