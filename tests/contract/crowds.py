"""Many people and groups, the same ones every time; and what lists should show of them, by brute force."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from read_side.views import Page, ProfileQuery, ProfileViews
from shared.read_model.records import GroupRecord, ProfileGroup, ProfileRecord
from tests.support.directory_model import Account, Group, Membership, State
from tests.support.directory_views import Key, profiles
from tests.support.read_side import changed, person

NAMES = (
    "André",
    "ANDRE",
    "Andrea",
    "Andra",
    "Ångström",
    "Zoë",
    "Łukasz",
    "Søren",
    "李",
    "Jo",
    "Ann",
    "Anna",
    "O'Neil",
    "O\N{RIGHT SINGLE QUOTATION MARK}Neil",
    "Oneil",
    "O Neil",
)
FAMILIES = (
    "Carson",
    "Cárson",
    "Carter",
    "Sánchez",
    "Sanchez",
    "Straße",
    "Strasse",
    "Ng",
    "Andersen",
    "de la Cruz",
    "Æ",
)
TITLES = (None, "Senator", "Senior analyst", "Chair, Senate Committee", "Sec\u00adretary", "Andante")
TAGS = ("house", "senate", "Senate", "andromeda", "año", "Ano", "r&d", "a b c", "x" * 64)
START = datetime(2026, 1, 1, tzinfo=UTC)

GROUPS = tuple(
    GroupRecord(
        group_id=UUID(int=0xFF00 + number if number % 2 else (0xFF << 120) + number),
        slug=f"group-{number}",
        name=name,
        description=None,
        external_id=None,
        member_count=number % 4,
        created_at=START + timedelta(days=number % 3),
        updated_at=START - timedelta(days=30_000 * number),
        version=1,
    )
    for number, name in enumerate(("Ways and Means", "Café", "cafe", "Senate", "Čapek", "Anders", "Åland", "Means"))
)


def crowd(count: int, *, seed: int = 7) -> list[ProfileRecord]:
    """People who share names, words, tags, groups and moments."""
    random = Random(seed)
    return [made_person(number, random) for number in range(1, count + 1)]


def made_person(number: int, random: Random) -> ProfileRecord:
    given, family = random.choice(NAMES), random.choice(FAMILIES)
    return person(
        random.getrandbits(128),
        handle=f"{random.choice(('And', 'x', 'Sen', '9'))}{number}",
        email=f"{number}@example.org",
        external_id=f"crowd:{number}",
        display_name=f"{given} {family}",
        given_name=random.choice((None, given)),
        family_name=random.choice((None, family)),
        **circumstances(random),
    )


def circumstances(random: Random) -> dict[str, Any]:
    """What changes about a person."""
    return {
        "title": random.choice(TITLES),
        "status": random.choice(("active", "active", "suspended", "closed")),
        "tags": tuple(random.sample(TAGS, random.choice((0, 1, 2, 5, len(TAGS))))),
        "groups": tuple(map(_belongs, random.sample(GROUPS, random.choice((0, 1, 3))))),
        "created_at": START + timedelta(days=random.randrange(-30_000, 30_000, 10_000)),
        "updated_at": START + timedelta(microseconds=random.randrange(1000)),
    }


def _belongs(group: GroupRecord) -> ProfileGroup:
    return ProfileGroup(group_id=group.group_id, slug=group.slug, name=group.name, role="member")


def listed(people: Iterable[ProfileRecord], query: ProfileQuery) -> list[ProfileRecord]:
    """Everybody whom a query finds, in order."""
    placed = [(place, each) for each in people if (place := where(each, query)) is not None]
    return [each for _, each in sorted(placed, key=lambda pair: pair[0], reverse=query.descending)]


def where(record: ProfileRecord, query: ProfileQuery) -> Key | None:
    """By what a person is put in order; None if the query does not find them. Said by the model of the directory."""
    if record.status not in query.statuses:
        return None
    profile, id_ = {name: getattr(record, name) for name in _SHOWN}, str(record.account_id)
    account = Account(id=id_, profile=profile, **{name: getattr(record, name) for name in _OWN})
    belongs = {(str(each.group_id), id_): _BELONGS for each in record.groups}
    return profiles(State({id_: account}, _GROUPS, belongs), _asked(query)).get(id_)


_SHOWN = ("display_name", "given_name", "family_name", "title", "tags")
_OWN = ("email", "handle", "external_id", "created_at", "updated_at", "status")
_BELONGS = Membership(id="", role="member", since=START)
_GROUPS = {
    str(each.group_id): Group(
        id=str(each.group_id),
        slug=each.slug,
        name=each.name,
        description=each.description,
        external_id=each.external_id,
        created_at=each.created_at,
        updated_at=each.updated_at,
    )
    for each in GROUPS
}


def _asked(query: ProfileQuery) -> dict[str, Any]:
    """The parameters that a query is made of."""
    asked = {"q": " ".join(query.words), "sort": query.order, "group": query.group}
    return {"status": "any", "tag": query.tags} | {name: value for name, value in asked.items() if value}


def handles(page: Page) -> list[str]:
    return [msgspec.json.decode(each, type=ProfileRecord).handle for each in page.documents]


async def walk(views: ProfileViews, query: ProfileQuery) -> tuple[list[str], list[int]]:
    """Everybody on all pages, and how long the pages are."""
    people: list[str] = []
    lengths: list[int] = []
    while True:
        page = await views.list(query)
        people += handles(page)
        lengths.append(len(page.documents))
        if page.after is None:
            return people, lengths
        query = changed(query, after=page.after)
