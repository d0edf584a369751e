"""A directory's life: commands right and wrong, feeding, crashes, and looks in between, as hypothesis makes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from hypothesis import strategies as st

PROJECTIONS = ("profiles", "groups", "activity", "stats")
HANDLES = ("andre", "Andre.Car", "zoe", "ann_b", "sen-1", "x", "Linda", "lu.kasz", "o2", "mia")
EMAILS = tuple(f"{name}@example.org" for name in ("andre", "Anna", "zoé", "a.b", "LINDA", "o", "p", "q", "r"))
EXTERNALS = ("hr:1", "HR:1", "id/2", "ü 3", "cafe\u0301", "4")
NAMES = (
    "André Carson",
    "andre carson",
    "Linda T. Sánchez",
    "Łukasz Żak",
    "Zoë Ångström",
    "ZOE",
    "Øyvind Strauß",
    "O'Neil, Anna",
    "李 雷",
    "İpek Iş\N{LATIN SMALL LETTER DOTLESS I}k",
    "Æsop Cafe\u0301",
)
TITLES = ("Senator", "Chair, Café Committee", "Se\u0301crétaire")
TAGS = ("año", "house", "r&d", "Senate", "senate")
SLUGS = ("ssaf", "ssju", "chess-club", "board", "a.b")
GROUP_NAMES = ("Judiciary", "Senate Agriculture", "Čapek Chess", "chess", "Ålands ra\u030ad")
ROLES = ("member", "lead", "Präsident", "Pra\u0308sident")
SEARCHES = (
    "andre car",
    "SANCH",
    "zo",
    "l",
    "é",
    "neil o",
    "a",
    "sen",
    "caf",
    "李",
    "ann b",
    "",
    " ",
    "o s",
    "2",
    "ch ss",
    "o'n",
    "Oneil. an-na",
    "lukasz r.d",
    "chessc",
    "a-b",
)
NOBODY = "0198ffff-0000-7000-8000-00000000000f"
"""An id that no account has, unless one is given it."""


@dataclass(frozen=True)
class Nth:
    """
    The id of one of those that are there; of nobody, if there are none.

    :param ever: or of one that there was.
    """

    number: int
    ever: bool = False


ANY: tuple[Nth, ...] = tuple(Nth(number, ever) for ever in (False, False, False, True) for number in range(10))

Fields: TypeAlias = Mapping[str, Any]
Values: TypeAlias = Mapping[str, tuple[Any, ...]]
"""What each field of a command may be."""


class Kind(NamedTuple):
    """Commands of a name, with all of the first fields and any of the others."""

    name: str
    needed: Values
    optional: Values = MappingProxyType({})


def _in_any_case(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(change(value) for value in values for change in (str, str.upper))


def _some(values: tuple[str, ...], *, most: int) -> tuple[list[str], ...]:
    return tuple(sorted(each) for count in range(most + 1) for each in combinations(values, count))


_ACCOUNTS = (
    *ANY,
    *ANY,
    *(f"@{each}" for each in _in_any_case(HANDLES)),
    *(f"ext:{each}" for each in EXTERNALS),
    "@nobody",
)
_GROUPS = (*ANY, *SLUGS, *SLUGS)
_TOLD: Values = {
    "given_name": (None, *NAMES),
    "family_name": (None, *NAMES),
    "title": (None, *TITLES),
    "tags": (None, *_some(TAGS, most=4)),
    "bio": (None, "Wrote\u0308 notes", 'a "quote", a \\ and \u2028'),
    "links": (None, {"home": "https://example.org/"}, {"wéb": "https://example.org/?a=b&c", "b": "https://b.example"}),
    "attributes": (None, {"floor": "4"}, {"z": "1", "a": "ü \N{GRINNING FACE}"}),
    "locale": (None, "de-CH"),
    "time_zone": (None, "Europe/Zurich"),
}
_KEYS: Values = {"email": _in_any_case(EMAILS), "handle": _in_any_case(HANDLES)}
_PERSON: Values = {**_KEYS, "display_name": NAMES}
_BOTH: Values = {"group": _GROUPS, "account": _ACCOUNTS}
_DESCRIBED: Values = {"name": GROUP_NAMES, "slug": SLUGS, "description": (None, "Few")}

ADDITION = Kind("add-group-member", _BOTH, {"role": ROLES})
RENAMING = Kind("update-group", {"group": _GROUPS}, _DESCRIBED)
DELETION = Kind("delete-group", {"group": _GROUPS})
KINDS = (
    Kind("register-account", _PERSON, {**_TOLD, "external_id": EXTERNALS}),
    Kind("register-account", {**_PERSON, "account_id": ANY}),
    *(Kind(f"change-{key}", {"account": _ACCOUNTS, key: values}) for key, values in _KEYS.items()),
    Kind("update-profile", {"account": _ACCOUNTS}, {**_TOLD, "display_name": NAMES}),
    Kind("update-profile", {"account": _ACCOUNTS, "display_name": NAMES, "tags": _some(TAGS, most=4)}),
    *(Kind(f"{what}-account", {"account": _ACCOUNTS}) for what in ("suspend", "reinstate", "close", "erase")),
    Kind(
        "create-group",
        {"slug": SLUGS, "name": GROUP_NAMES},
        {"description": ("", "For all"), "external_id": EXTERNALS},
    ),
    Kind("create-group", {"group_id": ANY, "slug": SLUGS, "name": GROUP_NAMES}),
    Kind("update-group", {"group": _GROUPS, "name": GROUP_NAMES}),
    RENAMING,
    DELETION,
    *[ADDITION] * 3,
    *[Kind("change-member-role", {**_BOTH, "role": ROLES})] * 2,
    Kind("remove-group-member", _BOTH),
)
"""Every command, as often as it is sent among others."""


@dataclass(frozen=True)
class Sent:
    """:param if_match: the version that it names is right (True) or wrong (False)."""

    name: str
    fields: Fields
    is_keyed: bool = False
    if_match: bool | None = None
    is_malformed: bool = False


@dataclass(frozen=True)
class Again:
    """A command that was carried out under a key is sent again; or another one under its key."""

    number: int
    other: bool = False


@dataclass(frozen=True)
class Commands:
    commands: tuple[Sent | Again, ...]
    later: timedelta


@dataclass(frozen=True)
class Feed:
    """Fold some events, then bring fan-outs to some documents; the commit is torn after so many writes, if any."""

    projections: tuple[str, ...]
    size: int
    fan_out: int
    torn_after: int | None = None


@dataclass(frozen=True)
class Question:
    """
    A list, and how to ask for it.

    :param of: whose activity, or the members of which group.
    """

    kind: str
    asked: Fields
    limit: int
    of: Nth | str = ""


@dataclass(frozen=True)
class Look:
    """
    Compare what is there; lists page by page, all of them at once or one page now and one at each later look.

    :param at: documents of which projections.
    """

    at: frozenset[str]
    questions: tuple[Question, ...] = ()
    slowly: bool = False


Step: TypeAlias = Commands | Feed | Look


def _strategies(values: Values) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.sampled_from(each) for name, each in values.items()}


def _of(kind: Kind) -> st.SearchStrategy[Sent]:
    fields = st.fixed_dictionaries(_strategies(kind.needed), optional=_strategies(kind.optional))
    versions = st.sampled_from([None, None, None, None, None, True, False])
    return st.builds(Sent, st.just(kind.name), fields, st.booleans(), versions)


MALFORMED = (
    Sent("change-handle", {"account": "@x", "handle": "-x"}, is_malformed=True),
    Sent("change-handle", {"account": "x", "handle": "y"}, is_malformed=True),
    Sent("create-group", {"slug": "Upper", "name": "n"}, is_malformed=True),
    Sent("create-group", {"slug": NOBODY, "name": "n"}, is_malformed=True),
    Sent("update-group", {"group": "ssaf", "name": None}, is_malformed=True),
    Sent("add-group-member", {"group": "ssaf", "account": "@x", "role": ""}, is_malformed=True),
    Sent("add-group-member", {"group": "ssaf", "account": "@x", "since": "now"}, is_malformed=True),
    Sent("update-profile", {"account": "@x", "display_name": "a\nb"}, is_malformed=True),
)
sent = st.one_of(*map(_of, KINDS), st.sampled_from(MALFORMED), st.builds(Again, st.integers(0, 9), st.booleans()))
_ticks = st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=5)])
commands = st.builds(Commands, st.lists(sent, min_size=1, max_size=5).map(tuple), _ticks)
_feeds = st.builds(
    Feed,
    st.lists(st.sampled_from(PROJECTIONS), min_size=1, unique=True).map(tuple),
    size=st.sampled_from([0, 1, 2, 5, 100]),
    fan_out=st.integers(0, 2),
)
_tears = st.builds(
    Feed, st.tuples(st.sampled_from(PROJECTIONS)), st.integers(1, 9), st.integers(0, 1), st.integers(0, 20)
)


def _question(kind: str, asked: Values, of: tuple[Nth | str, ...] = ("",)) -> st.SearchStrategy[Question]:
    parameters = st.fixed_dictionaries({}, optional=_strategies(asked))
    return st.builds(Question, st.just(kind), parameters, st.sampled_from([1, 1, 2, 3, 200]), st.sampled_from(of))


def _either_way(*keys: str) -> tuple[str, ...]:
    return tuple(f"{direction}{key}" for key in keys for direction in ("", "-"))


_profiles = _question(
    "profiles",
    {
        "status": ("any", "any", "any", "active", "suspended", "closed"),
        "group": _GROUPS,
        "tag": _some(TAGS, most=2),
        "q": SEARCHES,
        "sort": _either_way("display_name", "handle", "created_at", "updated_at"),
    },
)
_groups = _either_way("name", "slug", "created_at", "updated_at", "member_count")
questions = st.one_of(
    _profiles,
    _profiles,
    _question("groups", {"q": SEARCHES, "sort": _groups}),
    _question("members", {"role": ROLES}, _GROUPS),
    _question("activity", {}, ANY),
)
_looks = st.builds(
    Look,
    st.frozensets(st.sampled_from(PROJECTIONS)),
    st.lists(questions, max_size=3).map(tuple),
    slowly=st.booleans(),
)
_catch_up = Feed(PROJECTIONS, size=100, fan_out=100)


def _person(number: int, fields: Fields) -> Sent:
    external_id = {"external_id": EXTERNALS[number]} if number < len(EXTERNALS) else {}
    return Sent("register-account", {"handle": HANDLES[number], "email": EMAILS[number], **fields, **external_id})


def _begun(people: list[Fields], count: int, joining: list[Fields], gone: list[tuple[str, Nth]]) -> Commands:
    founded = [Sent("create-group", {"slug": SLUGS[n], "name": GROUP_NAMES[n]}) for n in range(count)]
    joined = [Sent("add-group-member", each) for each in joining]
    left = [Sent(f"{what}-account", {"account": account}) for what, account in gone]
    return Commands((*map(_person, range(len(people)), people), *founded, *joined, *left), timedelta(seconds=1))


_there = st.builds(Nth, st.integers(0, 9))
_members = {"group": st.builds(Nth, st.integers(0, 2)), "account": _there, "role": st.sampled_from(ROLES)}
_shown = {"display_name": NAMES, "tags": _some(TAGS, most=4), "title": (None, *TITLES)}
_beginnings = st.builds(
    _begun,
    st.lists(st.fixed_dictionaries(_strategies(_shown)), min_size=2, max_size=len(EMAILS)),
    st.integers(1, 3),
    st.lists(st.fixed_dictionaries(_members), min_size=3, max_size=12),
    st.lists(st.tuples(st.sampled_from(["suspend", "close", "erase"]), _there), max_size=4),
)

# What is looked at before a fan-out has ended, and what happens meanwhile.
_fan_outs = st.tuples(
    st.just(_catch_up),
    st.builds(Commands, st.tuples(_of(RENAMING) | _of(DELETION), sent), _ticks),
    st.builds(Feed, st.just(("profiles", "groups")), st.sampled_from([1, 2, 100]), st.integers(0, 2)),
    _looks,
    st.builds(Feed, st.just(("profiles", "groups")), st.sampled_from([0, 1, 100]), st.integers(0, 2)),
    _looks,
)
# What happens during a walk through a list.
_slow_walks = st.tuples(
    st.just(_catch_up),
    st.builds(Look, st.just(frozenset()), st.lists(questions, min_size=2, max_size=4).map(tuple), st.just(value=True)),
    commands,
    st.just(_catch_up) | _feeds,
    _looks,
)
_scenes = st.one_of(
    st.tuples(commands),
    st.tuples(commands),
    st.tuples(_feeds),
    st.tuples(_tears),
    st.tuples(_looks),
    _fan_outs,
    _slow_walks,
)
lives = st.builds(
    lambda beginning, scenes: (beginning, *(step for scene in scenes for step in scene)),
    _beginnings,
    st.lists(_scenes, min_size=2, max_size=14),
)
"""A directory's life: how it begins, and what happens then."""
endings = st.lists(questions, min_size=8, max_size=24)
"""What is asked when everything is projected."""
