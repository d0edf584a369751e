"""Synthetic groups, and who belongs to them: the same for the same seed, however many people and groups there are."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, NamedTuple

Fields = dict[str, Any]

MOST_GROUPS_EACH = 6
"""Of one person."""
KNOWN_GROUPS = 10_000
"""People are drawn to the groups up to this one; there may be fewer, or more, which have no members."""

_CITIES: Mapping[str, str] = {
    "Athens": "athens",
    "Berlin": "berlin",
    "İzmir": "izmir",
    "Kraków": "krakow",
    "Kyiv": "kyiv",
    "Lyon": "lyon",
    "Malmö": "malmo",
    "Mexico City": "mexico-city",
    "New York": "new-york",
    "Osaka": "osaka",
    "Plzeň": "plzen",
    "Riyadh": "riyadh",
    "São Paulo": "sao-paulo",
    "Seoul": "seoul",
}
"""And how each is written in a slug."""

_FIELDS = ("Design", "Engineering", "Finance", "Legal", "Marketing", "Operations", "Research", "Sales", "Support")
_CODE_NAMES = ("Albatross", "Bluebell", "Cinnabar", "Driftwood", "Ember", "Foxglove", "Granite", "Halcyon", "Juniper")
_PURSUITS = ("Ballroom", "Chess", "Choir", "Climbing", "Cycling", "Gardening", "Running", "Sailing", "Theatre")


class _Kind(NamedTuple):
    """
    A kind of groups.

    :param pattern: of the name, with `{what}` and `{city}`.
    :param roles: a few; most of its members are `member`.
    """

    slug: str
    subjects: Sequence[str]
    pattern: str
    description: str | None
    roles: Sequence[str]


_DEPARTMENT = _Kind(
    "dept", _FIELDS, "{what} {city}", "The department of {what} in {city}.", ("lead", "deputy", "assistant")
)
_PROJECT = _Kind("project", _CODE_NAMES, "Project {what} ({city})", None, ("lead", "architect", "reviewer"))
_CLUB = _Kind(
    "club",
    _PURSUITS,
    "{what} Club {city}",
    "{what} after work: whoever likes may come.",
    ("chair", "treasurer", "guest"),
)
_LOCATION = _Kind(
    "site", ("Campus", "Office", "Workshop"), "{city} {what}", "Who works at the {what} in {city}.", ("host", "warden")
)
_KINDS = (_DEPARTMENT, _PROJECT, _CLUB, _LOCATION)
"""In turn."""


class Belonging(NamedTuple):
    """A membership in a group, by its number."""

    group: int
    role: str


def groups(seed: int) -> Iterator[Fields]:
    """The fields of `create-group` for one group after the other, without end; those of two seeds can coexist."""
    random = _random("groups", seed)
    for number in count(1):
        kind = _kind(number)
        what, city = random.choice(kind.subjects), random.choice(tuple(_CITIES))
        fields = {
            "slug": f"{kind.slug}-{what.lower()}-{_CITIES[city]}.{seed}-{number}",
            "name": kind.pattern.format(what=what, city=city),
            "external_id": f"seed:{seed}:{number}",
        }
        if kind.description:
            fields["description"] = kind.description.format(what=what, city=city)
        yield fields


def belongings(seed: int) -> Iterator[tuple[Belonging, ...]]:
    """
    Yield the groups of one person after the other, without end.

    The first group has the most members, the second half as many, the third a third (Zipf's law). A group that is not
    there is to be passed over: what is drawn does not depend on how many there are.
    """
    random = _random("belongings", seed)
    while True:
        drawn = (_group(random) for _ in range(random.randint(0, MOST_GROUPS_EACH)))
        yield tuple(Belonging(number, _role(number, random)) for number in dict.fromkeys(drawn))


def _random(what: str, seed: int) -> Random:
    return Random(f"{what} {seed}")  # noqa: S311 - it has to be reproducible, not secret


def _kind(number: int) -> _Kind:
    return _KINDS[(number - 1) % len(_KINDS)]


def _group(random: Random) -> int:
    return int(KNOWN_GROUPS ** random.random())


def _role(group: int, random: Random) -> str:
    return random.choice(_kind(group).roles) if random.random() < 0.1 else "member"  # noqa: PLR2004 - one in ten
