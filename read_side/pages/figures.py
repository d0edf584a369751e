"""How a page writes what stands in records: initials, times and what happened."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from markupsafe import Markup

from shared.read_model.records import ActivityRecord

TONES = 8
"""Colours of avatars."""

FOLLOWED = frozenset({"http", "https", "mailto", "tel"})
"""Schemes of links that lead somewhere; a browser may run what others name."""

_MOST_MARKS = 2
"""Of one letter: more would pile up beyond the avatar."""


def initials(name: str) -> str:
    """The first letters of the first and the last word that have one, with their marks."""
    letters = [letter for word in name.split() if (letter := _first_letter(word))]
    return "".join(letters[:1] + letters[1:][-1:]).upper()


def _first_letter(word: str) -> str:
    begin = next((nth for nth, each in enumerate(word) if each.isalnum()), None)
    if begin is None:
        return ""
    marks = word[begin + 1 : begin + 1 + _MOST_MARKS]
    end = next((nth for nth, each in enumerate(marks) if not unicodedata.combining(each)), len(marks))
    return word[begin] + marks[:end]


def tone(id: Any) -> int:
    """The colour of a person's avatar: it stays, whatever they are called."""
    return sum(str(id).encode()) % TONES


def instant(at: datetime) -> Markup:
    """A time for people and for programs; the script says how long ago that is."""
    return Markup('<time datetime="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%d %b %Y, %H:%M:%S} UTC")


def day(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%d %b %Y}".lstrip("0"))


def is_followed(url: str) -> bool:
    """Tell whether a link may be one on a page."""
    try:
        return urlsplit(url).scheme in FOLLOWED
    except ValueError:
        return False


Pairs = Sequence[tuple[str, str]]


def query(pairs: Pairs) -> str:
    """The query of an address, relative to a page; what is empty is left out."""
    return "?" + urlencode([(name, value) for name, value in pairs if value])


def left_out(pairs: Pairs, name: str, value: str | None = None) -> Pairs:
    """All but those of a name, or the one that has a value."""
    return [each for each in pairs if each[0] != name or (value is not None and each[1] != value)]


_HAPPENED: Mapping[str, str] = {
    "account-registered": "Registered",
    "handle-changed": "Handle changed",
    "email-changed": "E-mail address changed",
    "email-verified": "E-mail address confirmed",
    "account-suspended": "Suspended",
    "account-reinstated": "Reactivated",
    "account-closed": "Closed",
    "profile-updated": "Profile changed",
    "member-added": "Joined",
    "member-role-changed": "Role changed in",
    "member-removed": "Left",
}


def happened(record: ActivityRecord) -> str:
    """What happened, in words; what it was about is said by its details."""
    return _HAPPENED.get(record.type, record.type.replace("-", " ").capitalize())


def words(field: str) -> str:
    """A field's name, as a person would say it."""
    return field.replace("_", " ").replace("email", "e-mail").replace("url", "address")
