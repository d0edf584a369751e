"""Synthetic people from many places: the same for the same seed, no two with the same handle or address."""

import unicodedata
from collections.abc import Iterator, Mapping
from itertools import count
from random import Random
from typing import Any, NamedTuple

from faker import Faker

POOL = 100
"""Names of a kind that are drawn from faker once, because it is too slow to draw each person's."""

PLACES: Mapping[str, tuple[str, ...]] = {
    "ar_SA": ("Asia/Riyadh",),
    "cs_CZ": ("Europe/Prague",),
    "de_DE": ("Europe/Berlin",),
    "el_GR": ("Europe/Athens",),
    "en_US": ("America/New_York", "America/Chicago", "America/Los_Angeles"),
    "es_MX": ("America/Mexico_City", "America/Tijuana"),
    "fr_FR": ("Europe/Paris",),
    "he_IL": ("Asia/Jerusalem",),
    "hi_IN": ("Asia/Kolkata",),
    "ja_JP": ("Asia/Tokyo",),
    "ko_KR": ("Asia/Seoul",),
    "pl_PL": ("Europe/Warsaw",),
    "pt_BR": ("America/Sao_Paulo", "America/Manaus"),
    "sv_SE": ("Europe/Stockholm",),
    "tr_TR": ("Europe/Istanbul",),
    "uk_UA": ("Europe/Kyiv",),
    "zh_CN": ("Asia/Shanghai",),
}
"""Where people live, and the time zones they may be in."""

_FAMILY_NAME_FIRST = frozenset({"ja_JP", "ko_KR", "zh_CN"})
_TEAMS = ("design", "engineering", "finance", "legal", "marketing", "operations", "research", "sales", "support")
_SKILLS = ("beginner", "first-aid", "mentor", "on-call", "part-time", "remote", "speaker", "works-council")
# What Unicode does not take apart into a Latin letter and an accent.
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "ß": "ss", "\N{LATIN SMALL LETTER DOTLESS I}": "i", "đ": "d", "æ": "ae", "œ": "oe"}
)

Fields = dict[str, Any]


class _Name(NamedTuple):
    text: str
    latin: str
    """As far as it can be written in a handle; nothing may be left of it."""


class _Place(NamedTuple):
    locale: str
    zones: tuple[str, ...]
    given_names: tuple[_Name, ...]
    family_names: tuple[_Name, ...]
    pattern: str


class _Words(NamedTuple):
    jobs: tuple[str, ...]
    phrases: tuple[str, ...]


def people(seed: int) -> Iterator[Fields]:
    """The fields of `register-account` for one person after the other, without end; those of two seeds can coexist."""
    random = Random(seed)  # noqa: S311 - it has to be reproducible, not secret
    places, words = _places(seed), _words(seed)
    for number in count(1):
        place = random.choice(places)
        given, family = random.choice(place.given_names), random.choice(place.family_names)
        name = f"{_joined(given, family) or place.locale[:2]}.{seed}-{number}"
        yield {
            "email": f"{name}@people.example",
            "handle": name,
            "display_name": place.pattern.format(given=given.text, family=family.text),
            "given_name": given.text,
            "family_name": family.text,
            "external_id": f"seed:{seed}:{number}",
            "locale": place.locale,
            "time_zone": random.choice(place.zones),
            **_profile(name, words, random),
        }


def _profile(name: str, words: _Words, random: Random) -> Fields:
    """Return the fields of a profile that only some people fill in."""
    fields: Fields = {"tags": sorted({random.choice(_TEAMS), random.choice(_SKILLS), random.choice(_SKILLS)})}
    if random.random() < 0.8:  # noqa: PLR2004 - as in many directories, most people have a title, …
        fields["title"] = random.choice(words.jobs)
    if random.random() < 0.5:  # noqa: PLR2004 - … half of them say something of themselves, …
        fields["bio"] = f"{random.choice(words.phrases)}. {random.choice(words.phrases)}."
    if random.random() < 0.4:  # noqa: PLR2004 - … and fewer have anything to show
        fields["links"] = {"website": f"https://{name}.example/", "chat": f"https://chat.example/@{name}"}
        fields["picture_url"] = f"https://pictures.example/{name}.jpg"
    fields["attributes"] = {"floor": str(random.randrange(1, 20)), "desk": f"{random.randrange(1000):03}"}
    return fields


def _places(seed: int) -> tuple[_Place, ...]:
    return tuple(_place(name, zones, seed) for name, zones in PLACES.items())


def _place(name: str, zones: tuple[str, ...], seed: int) -> _Place:
    names = Faker(name, providers=["faker.providers.person"])
    names.seed_instance(seed)
    return _Place(
        locale=name.replace("_", "-"),
        zones=zones,
        given_names=tuple(_name(names.first_name()) for _ in range(POOL)),
        family_names=tuple(_name(names.last_name()) for _ in range(POOL)),
        pattern="{family} {given}" if name in _FAMILY_NAME_FIRST else "{given} {family}",
    )


def _words(seed: int) -> _Words:
    words = Faker("en_US", providers=["faker.providers.job", "faker.providers.company"])
    words.seed_instance(seed)
    jobs = tuple(words.job() for _ in range(POOL))
    return _Words(jobs, tuple(words.catch_phrase() for _ in range(POOL)))


def _name(text: str) -> _Name:
    letters = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    words = "".join(each if each.isalpha() else " " for each in letters if not unicodedata.combining(each)).split()
    return _Name(text, ".".join(word for word in words if word.isascii()))


def _joined(given: _Name, family: _Name) -> str:
    return ".".join(filter(None, (given.latin, family.latin)))[:40].strip(".")
