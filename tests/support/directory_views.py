"""What the read API is to answer of a directory: by brute force, written from the contract and not from Muster."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias
from unicodedata import normalize

from tests.support.directory_model import Account, Group, State, group_of

Json: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[Any, ...]
Terms: TypeAlias = Sequence[Sequence[str]]
Listing: TypeAlias = Mapping[str, Key]
"""Who is in a list, by id, and by what they are put in order."""

# How the letters that the tests use are typed on a plain keyboard.
_PLAIN = str.maketrans("áàâåçéèêëíñóöøúüćčęłńřśşýžżőűıðđ", "aaaaceeeeinooouuccelnrssyzzouidd") | str.maketrans(
    {"ß": "ss", "æ": "ae", "\u00ad": ""}
)
_JOINTS = re.compile(r"['’.-]+")  # noqa: RUF001 - an apostrophe, too
_RUNS = re.compile(rf"[^\W_]+(?:{_JOINTS.pattern}[^\W_]+)*")


@lru_cache(maxsize=10_000)
def plain(text: str) -> str:
    """Text without case and accents."""
    return normalize("NFC", text).replace("İ", "i").lower().translate(_PLAIN)


def filed(text: str) -> str:
    """The same without what joins and parts words alike: by this lists are sorted and filtered."""
    return " ".join(_JOINTS.sub("", plain(text)).split())


@lru_cache(maxsize=10_000)
def terms(text: str | None) -> Terms:
    """What is looked for, in order and each once, by its parts."""
    runs = {"-".join(_JOINTS.split(run)) for run in _RUNS.findall(plain(text or ""))}
    return [run.split("-") for run in sorted(runs)]


@lru_cache(maxsize=10_000)
def words(*texts: str | None) -> Sequence[str]:
    """What is found, in order and each once: the parts, and from each on all as one word."""
    runs = [parts for text in texts for parts in terms(text)]
    return sorted({word for parts in runs for nth, part in enumerate(parts) for word in (part, "".join(parts[nth:]))})


def record(state: State, id_: str) -> Json | None:
    """A profile as it is served."""
    if (account := state.accounts.get(id_)) is None:
        return None
    return {
        "account_id": account.id,
        "handle": account.handle,
        "email": account.email,
        "email_verified": False,
        "external_id": account.external_id,
        "status": account.status,
        **account.profile,
        "groups": [_belonging(state, *belongs) for belongs in state.memberships if belongs[1] == id_],
        "created_at": told(account.created_at),
        "updated_at": told(account.updated_at),
        "version": account.version,
        "profile_version": account.profile_version,
    }


def _belonging(state: State, group_id: str, account_id: str) -> Json:
    group, role = state.groups[group_id], state.memberships[group_id, account_id].role
    return {"group_id": group.id, "slug": group.slug, "name": group.name, "role": role}


def group_record(state: State, id_: str) -> Json | None:
    """A group as it is served."""
    if (group := state.groups.get(id_)) is None:
        return None
    return {
        "group_id": group.id,
        "slug": group.slug,
        "name": group.name,
        "description": group.description,
        "external_id": group.external_id,
        "member_count": _size(state, group),
        "created_at": told(group.created_at),
        "updated_at": told(group.updated_at),
        "version": group.version,
    }


def card(state: State, group_id: str, account_id: str) -> Json | None:
    """A member of a group as served."""
    if (membership := state.memberships.get((group_id, account_id))) is None:
        return None
    account = state.accounts[account_id]
    return {
        "account_id": account_id,
        "handle": account.handle,
        "display_name": account.profile["display_name"],
        "status": account.status,
        "role": membership.role,
        "since": told(membership.since),
    }


def stats(state: State) -> Json:
    """The directory in numbers."""
    statuses = Counter(account.status for account in state.accounts.values())
    days = Counter(each.astimezone(UTC).date().isoformat() for each in state.registrations)
    return {
        "accounts": {status: statuses[status] for status in ("active", "suspended", "closed")},
        "groups": len(state.groups),
        "memberships": len(state.memberships),
        "registrations": [{"day": day, "count": days[day]} for day in sorted(days)],
    }


def activity(state: State, account_id: str) -> list[Json]:
    """What happened to an account, newest first."""
    mine = [item for item in state.happened if item.account == account_id]
    return [{"account_id": account_id, "type": item.type, "at": told(item.at)} for item in reversed(mine)]


def told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def profiles(state: State, asked: Mapping[str, Any]) -> Listing:
    """`GET /profiles` with these parameters."""
    looked_for = terms(asked.get("q"))
    return {
        account.id: (*_sort_key(asked, looked_for, _words_of(account), _profile_keys(account)), account.id)
        for account in state.accounts.values()
        if _fits(state, account, asked) and match(looked_for, _words_of(account))
    }


def _fits(state: State, account: Account, asked: Mapping[str, Any]) -> bool:
    group = group_of(state, asked["group"]) if "group" in asked else None
    return (
        asked.get("status", "active") in {"any", account.status}
        and ("group" not in asked or (group is not None and (group.id, account.id) in state.memberships))
        and set(map(filed, asked.get("tag", ()))) <= set(map(filed, account.profile["tags"]))
    )


def _words_of(account: Account) -> Sequence[str]:
    profile = account.profile
    names = (profile[name] for name in ("display_name", "given_name", "family_name", "title"))
    return words(account.handle, *names, *profile["tags"])


def _profile_keys(account: Account) -> Mapping[str, Any]:
    return {
        "display_name": filed(account.profile["display_name"]),
        "handle": filed(account.handle),
        "created_at": account.created_at,
        "updated_at": account.updated_at,
    }


def groups(state: State, asked: Mapping[str, Any]) -> Listing:
    """`GET /groups` with these parameters."""
    looked_for = terms(asked.get("q"))
    return {
        group.id: (*_sort_key(asked, looked_for, words(group.slug, group.name), _group_keys(state, group)), group.id)
        for group in state.groups.values()
        if match(looked_for, words(group.slug, group.name))
    }


def _group_keys(state: State, group: Group) -> Mapping[str, Any]:
    return {
        "name": filed(group.name),
        "slug": filed(group.slug),
        "created_at": group.created_at,
        "updated_at": group.updated_at,
        "member_count": _size(state, group),
    }


def _size(state: State, group: Group) -> int:
    return sum(1 for group_id, _ in state.memberships if group_id == group.id)


def match(looked_for: Terms, own: Sequence[str]) -> bool:
    return all(_begins("".join(parts), own) or all(_begins(part, own) for part in parts) for parts in looked_for)


def _begins(begun: str, own: Sequence[str]) -> bool:
    return any(word.startswith(begun) for word in own)


def _sort_key(asked: Mapping[str, Any], looked_for: Terms, own: Sequence[str], keys: Mapping[str, Any]) -> Key:
    """By the sort asked for, or the first of the names; with words by the one that the longest of them begins."""
    if "sort" in asked:
        return (keys[asked["sort"].removeprefix("-")],)
    name = next(iter(keys.values()))
    if not looked_for:
        return (name,)
    return (first_match(looked_for, own), name)


def first_match(looked_for: Terms, own: Sequence[str]) -> str:
    """The first word that begins with the term of the longest part, whole or with that part."""
    lead = max(looked_for, key=lambda parts: max(map(len, parts)))
    beginnings = ("".join(lead), max(lead, key=len))
    return next((word for word in own if word.startswith(beginnings)), "")


def members(state: State, group_id: str, asked: Mapping[str, Any]) -> Listing:
    """`GET /groups/{…}/members` with these parameters: in the order in which they joined."""
    role = filed(asked["role"]) if "role" in asked else None
    return {
        account_id: (membership.since, account_id)
        for (of, account_id), membership in state.memberships.items()
        if of == group_id and role in {None, filed(membership.role)}
    }


def in_order(listing: Listing, *, descending: bool) -> list[str]:
    return sorted(listing, key=lambda id_: listing[id_], reverse=descending)


def holders(state: State, key: str, value: str) -> Iterable[str]:
    """Whose handle, e-mail address or external id it is; nobody's or one's."""
    return [account.id for account in state.accounts.values() if _HOLDS[key](account, value)]


_HOLDS: Mapping[str, Callable[[Account, str], bool]] = {
    "id": lambda account, value: account.id == value.lower(),
    "handle": lambda account, value: account.handle.lower() == value.lower(),
    "email": lambda account, value: account.email.casefold() == value.casefold(),
    "external_id": lambda account, value: account.external_id == normalize("NFC", value),
}
