"""A directory's life: commands right and wrong, feeding, crashes, and looks in between, as hypothesis makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

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


Fields: TypeAlias = Mapping[str, Any]


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


def _in_any_case(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.builds(lambda value, change: change(value), st.sampled_from(values), st.sampled_from([str, str.upper]))


def _some(values: tuple[str, ...], *, most: int) -> st.SearchStrategy[list[str]]:
    return st.sets(st.sampled_from(values), max_size=most).map(sorted)


nths = st.builds(Nth, st.integers(0, 9), st.sampled_from([False, False, False, True]))
handles, emails, externals = _in_any_case(HANDLES), _in_any_case(EMAILS), st.sampled_from(EXTERNALS)
accounts = st.one_of(
    nths, nths, nths, nths, handles.map("@{}".format), externals.map("ext:{}".format), st.just("@nobody")
)
groups = st.one_of(nths, nths, nths, st.sampled_from(SLUGS))
roles = st.sampled_from(ROLES)

_optional: dict[str, st.SearchStrategy[Any]] = {
    "given_name": st.none() | st.sampled_from(NAMES),
    "family_name": st.none() | st.sampled_from(NAMES),
    "title": st.none() | st.sampled_from(TITLES),
    "tags": st.none() | _some(TAGS, most=4),
    "bio": st.none() | st.just("Wrote\u0308 notes"),
    "links": st.none() | st.just({"home": "https://example.org/"}),
    "attributes": st.none() | st.just({"floor": "4"}),
}


def _command(command: str, optional: dict[str, st.SearchStrategy[Any]] | None = None, /, **needed: Any) -> Any:
    fields = st.fixed_dictionaries(needed, optional=optional)
    versions = st.sampled_from([None, None, None, None, None, True, False])
    return st.builds(Sent, st.just(command), fields, st.booleans(), versions)


registrations = _command(
    "register-account",
    _optional | {"external_id": externals},
    email=emails,
    handle=handles,
    display_name=st.sampled_from(NAMES),
)
group_creations = _command(
    "create-group",
    {"description": st.sampled_from(["", "For all"]), "external_id": externals},
    slug=st.sampled_from(SLUGS),
    name=st.sampled_from(GROUP_NAMES),
)
additions = _command("add-group-member", {"role": roles}, group=groups, account=accounts)
renamings = _command(
    "update-group",
    {"name": st.sampled_from(GROUP_NAMES), "slug": st.sampled_from(SLUGS), "description": st.none() | st.just("Few")},
    group=groups,
)
deletions = _command("delete-group", group=groups)
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
sent = st.one_of(
    registrations,
    _command("register-account", account_id=nths, email=emails, handle=handles, display_name=st.sampled_from(NAMES)),
    _command("change-handle", account=accounts, handle=handles),
    _command("change-email", account=accounts, email=emails),
    _command("update-profile", _optional | {"display_name": st.sampled_from(NAMES)}, account=accounts),
    _command("update-profile", account=accounts, display_name=st.sampled_from(NAMES), tags=_some(TAGS, most=4)),
    *(_command(f"{what}-account", account=accounts) for what in ("suspend", "reinstate", "close", "erase")),
    group_creations,
    _command("create-group", group_id=nths, slug=st.sampled_from(SLUGS), name=st.sampled_from(GROUP_NAMES)),
    _command("update-group", group=groups, name=st.sampled_from(GROUP_NAMES)),
    _command(
        "update-group",
        {
            "name": st.sampled_from(GROUP_NAMES),
            "slug": st.sampled_from(SLUGS),
            "description": st.none() | st.just("Few"),
        },
        group=groups,
    ),
    deletions,
    additions,
    additions,
    additions,
    _command("change-member-role", group=groups, account=accounts, role=roles),
    _command("change-member-role", group=groups, account=accounts, role=roles),
    _command("remove-group-member", group=groups, account=accounts),
    st.sampled_from(MALFORMED),
    st.builds(Again, st.integers(0, 9), st.booleans()),
)
_ticks = st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=5)])
commands = st.builds(Commands, st.lists(sent, min_size=1, max_size=5).map(tuple), _ticks)
_feeds = st.builds(
    Feed,
    st.lists(st.sampled_from(PROJECTIONS), min_size=1, unique=True).map(tuple),
    size=st.sampled_from([0, 1, 2, 5, 100]),
    fan_out=st.integers(0, 2),
)
_tears = st.builds(
    Feed,
    st.sampled_from(PROJECTIONS).map(lambda each: (each,)),
    st.integers(1, 9),
    st.integers(0, 1),
    st.integers(0, 20),
)

_directions = ("", "-")
_profile_questions = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["any", "any", "any", "active", "suspended", "closed"]),
        "group": groups,
        "tag": _some(TAGS, most=2),
        "q": st.sampled_from(SEARCHES),
        "sort": st.builds(
            "{}{}".format,
            st.sampled_from(_directions),
            st.sampled_from(["display_name", "handle", "created_at", "updated_at"]),
        ),
    },
)
_group_questions = st.fixed_dictionaries(
    {},
    optional={
        "q": st.sampled_from(SEARCHES),
        "sort": st.builds(
            "{}{}".format,
            st.sampled_from(_directions),
            st.sampled_from(["name", "slug", "created_at", "updated_at", "member_count"]),
        ),
    },
)
_limits = st.sampled_from([1, 1, 2, 3, 200])
questions = st.one_of(
    st.builds(Question, st.just("profiles"), _profile_questions, _limits),
    st.builds(Question, st.just("profiles"), _profile_questions, _limits),
    st.builds(Question, st.just("groups"), _group_questions, _limits),
    st.builds(Question, st.just("members"), st.fixed_dictionaries({}, optional={"role": roles}), _limits, groups),
    st.builds(Question, st.just("activity"), st.just({}), _limits, nths),
)
_looks = st.builds(
    Look,
    st.frozensets(st.sampled_from(PROJECTIONS)),
    st.lists(questions, max_size=3).map(tuple),
    slowly=st.booleans(),
)
_catch_up = Feed(PROJECTIONS, size=100, fan_out=100)


def _person(number: int, name: str, tags: list[str], title: str | None) -> Sent:
    fields = {"handle": HANDLES[number], "email": EMAILS[number], "display_name": name, "tags": tags, "title": title}
    external_id = {"external_id": EXTERNALS[number]} if number < len(EXTERNALS) else {}
    return Sent("register-account", {**fields, **external_id})


_people = st.tuples(
    *(
        st.builds(
            _person, st.just(number), st.sampled_from(NAMES), _some(TAGS, most=4), st.none() | st.sampled_from(TITLES)
        )
        for number in range(len(EMAILS))
    )
).flatmap(lambda people: st.integers(2, len(people)).map(lambda count: people[:count]))
_gone = st.lists(
    st.builds(
        lambda what, account: Sent(f"{what}-account", {"account": Nth(account)}),
        st.sampled_from(["suspend", "close", "erase"]),
        st.integers(0, 9),
    ),
    max_size=4,
).map(tuple)
_founded = st.integers(1, 3).map(
    lambda count: tuple(Sent("create-group", {"slug": SLUGS[n], "name": GROUP_NAMES[n]}) for n in range(count))
)
_joining = st.lists(
    st.builds(
        lambda group, account, role: Sent(
            "add-group-member", {"group": Nth(group), "account": Nth(account), "role": role}
        ),
        st.integers(0, 2),
        st.integers(0, 9),
        roles,
    ),
    min_size=3,
    max_size=12,
).map(tuple)
_beginnings = st.tuples(_people, _founded, _joining, _gone).map(
    lambda parts: Commands(tuple(each for part in parts for each in part), timedelta(seconds=1))
)

# What is looked at before a fan-out has ended, and what happens meanwhile.
_fan_outs = st.tuples(
    st.just(_catch_up),
    st.builds(Commands, st.tuples(renamings | deletions, sent), _ticks),
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
