"""Of what a directory's life is made: commands right and wrong, feeding, crashes, and looks in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

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
