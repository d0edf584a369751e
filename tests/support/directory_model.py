"""
What there is in a directory and what commands do to it: a model written from the contract and not from Muster.

It says what a command answers and what there is then. Where the contract leaves open which of several errors is told,
it takes any of them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias
from unicodedata import normalize

ACTIVE, SUSPENDED, CLOSED = "active", "suspended", "closed"
EMPTY: Mapping[str, Any] = MappingProxyType(
    dict.fromkeys(("given_name", "family_name", "title", "bio", "locale", "time_zone", "picture_url"))
    | {"links": {}, "tags": [], "attributes": {}}
)
"""What a profile shows that was told nothing; null brings a field back to it."""


@dataclass(frozen=True, kw_only=True)
class Account:
    id: str
    email: str
    handle: str
    external_id: str | None
    profile: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    status: str = ACTIVE
    version: int = 1
    profile_version: int = 1


@dataclass(frozen=True, kw_only=True)
class Group:
    id: str
    slug: str
    name: str
    description: str | None
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Membership:
    id: str
    role: str
    since: datetime
    version: int = 1


@dataclass(frozen=True)
class Item:
    """Something that happened to an account."""

    account: str
    type: str
    at: datetime


@dataclass(frozen=True)
class State:
    """All there is at one moment; memberships by group and account, in the order in which they began."""

    accounts: Mapping[str, Account] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    memberships: Mapping[tuple[str, str], Membership] = field(default_factory=dict)
    happened: tuple[Item, ...] = ()
    group_ids: frozenset[str] = frozenset()
    """All that were ever used."""
    account_ids: frozenset[str] = frozenset()
    """Likewise."""
    registrations: tuple[datetime, ...] = ()
    """When each person was registered, the erased included."""


class Timeline:
    """All that there was, in order, each by the position of the command that made it so."""

    def __init__(self) -> None:
        self._states: list[tuple[int, State]] = [(0, State())]

    @property
    def now(self) -> State:
        return self._states[-1][1]

    @property
    def head(self) -> int:
        return self._states[-1][0]

    def go_on(self, states: Sequence[State], *, position: int) -> None:
        self._states += [(position, state) for state in states]

    def since(self, position: int) -> list[State]:
        """What may be seen of a projection that reflects every event up to a position: that, or anything later."""
        reflected = max(nth for nth, (at, _) in enumerate(self._states) if at <= position)
        return [state for _, state in self._states[reflected:]]


def account_of(state: State, ref: str) -> Account | None:
    """Whom an id, `@handle` or `ext:…` names."""
    for account in state.accounts.values():
        external = f"ext:{account.external_id}" if account.external_id else None
        if ref.lower() in {account.id, f"@{account.handle.lower()}"} or ref == external:
            return account
    return None


def group_of(state: State, ref: str) -> Group | None:
    """Which group an id or slug names."""
    return next((group for group in state.groups.values() if ref.lower() in {group.id, group.slug}), None)


@dataclass(frozen=True)
class Refused:
    """:param problems: any of which may be told."""

    problems: Collection[str]


@dataclass(frozen=True)
class Done:
    """
    The command is carried out.

    :param id: of what it answers for; None if that is new.
    :param then: what there is after each of its events, given the id answered; nothing if nothing changes.
    """

    id: str | None
    version: int
    then: Callable[[str], Sequence[State]] = lambda _: ()


Verdict: TypeAlias = Refused | Done
Fields: TypeAlias = Mapping[str, Any]
INVALID = Refused({"invalid"})


def verdict(state: State, name: str, fields: Fields, *, at: datetime, expected: int | None = None) -> Verdict:
    """What a well-formed command is to answer; `expected` is the version that it names in If-Match, if it does."""
    found = _COMMANDS[name](state, {field: composed(value) for field, value in fields.items()}, at)
    version = version_of(state, name, fields)
    if expected is None or version is None or expected == version:
        return found
    return Refused({"version-mismatch", *(found.problems if isinstance(found, Refused) else ())})


def composed(value: Any) -> Any:
    """Text is stored in NFC."""
    match value:
        case str():
            return normalize("NFC", value)
        case dict():
            return {composed(name): composed(each) for name, each in value.items()}
        case list():
            return [composed(each) for each in value]
    return value


def version_of(state: State, name: str, fields: Fields) -> int | None:
    """The version that a command would answer if it changed nothing; None if what it is about is not there."""
    account = account_of(state, composed(fields.get("account", "")))
    group = group_of(state, composed(fields.get("group", "")))
    if {"account", "group"} <= set(fields):
        membership = state.memberships.get((group.id, account.id)) if account and group else None
        return membership.version if membership else None
    if name == "update-profile":
        return account.profile_version if account else None
    about = account or group
    return about.version if about else None


def _register(state: State, fields: Fields, at: datetime) -> Verdict:
    keys = {name: fields.get(name) for name in ("email", "handle", "external_id")}
    used = {"account-exists"} if fields.get("account_id") in state.account_ids else set()
    if refused := _taken(state, **keys) | used:
        return Refused(refused)
    account = Account(id="", **keys, profile=_profile(fields), created_at=at, updated_at=at)
    return Done(fields.get("account_id"), 1, lambda id_: [_registered(state, replace(account, id=id_), at)])


def _registered(state: State, account: Account, at: datetime) -> State:
    known = replace(
        state, account_ids=state.account_ids | {account.id}, registrations=(*state.registrations, account.created_at)
    )
    return _happened(known, account, "account-registered", at)


def _taken(state: State, *, email: str = "", handle: str = "", external_id: str | None = None) -> set[str]:
    there = state.accounts.values()
    taken = {
        "email-taken": email.casefold() in {each.email.casefold() for each in there},
        "handle-taken": handle.lower() in {each.handle.lower() for each in there},
        "external-id-taken": external_id is not None and external_id in {each.external_id for each in there},
    }
    return {problem for problem, holds in taken.items() if holds}


def _profile(fields: Fields) -> Mapping[str, Any]:
    told = {name: fields[name] for name in EMPTY if fields.get(name) is not None}
    return {"display_name": fields["display_name"], **EMPTY, **told}


def _happened(state: State, account: Account, type_: str, at: datetime) -> State:
    """The account as it is after an event of its own."""
    accounts = {**state.accounts, account.id: account}
    return replace(state, accounts=accounts, happened=(*state.happened, Item(account.id, type_, at)))


def _with_account(decide: Callable[..., Verdict]) -> Callable[[State, Fields, datetime], Verdict]:
    """A command about an account that must be there."""

    def decided(state: State, fields: Fields, at: datetime) -> Verdict:
        account = account_of(state, fields["account"])
        return decide(state, account, fields, at) if account else Refused({"account-not-found"})

    return decided


def _changed(state: State, account: Account, type_: str, at: datetime, **changes: Any) -> Verdict:
    """One event of the account."""
    changed = replace(account, **changes, version=account.version + 1, updated_at=at)
    return Done(account.id, changed.version, lambda _: [_happened(state, changed, type_, at)])


def _change(key: str) -> Callable[[State, Fields, datetime], Verdict]:
    """Another handle or e-mail address."""

    @_with_account
    def decide(state: State, account: Account, fields: Fields, at: datetime) -> Verdict:
        others = replace(state, accounts={id_: each for id_, each in state.accounts.items() if id_ != account.id})
        closed = {"account-closed"} if account.status == CLOSED else set()
        if refused := _taken(others, **{key: fields[key]}) | closed:
            return Refused(refused)
        if fields[key] == getattr(account, key):
            return Done(account.id, account.version)
        return _changed(state, account, f"{key}-changed", at, **{key: fields[key]})

    return decide


@_with_account
def _update_profile(state: State, account: Account, fields: Fields, at: datetime) -> Verdict:
    if account.status == CLOSED:
        return Refused({"account-closed"})
    told = {name: EMPTY[name] if value is None else value for name, value in fields.items() if name != "account"}
    profile = {**account.profile, **told}
    if profile == account.profile:
        return Done(account.id, account.profile_version)
    version = account.profile_version + 1
    changed = replace(account, profile=profile, profile_version=version, updated_at=at)
    return Done(account.id, version, lambda _: [_happened(state, changed, "profile-updated", at)])


def _become(status: str, type_: str) -> Callable[[State, Fields, datetime], Verdict]:
    @_with_account
    def decide(state: State, account: Account, _: Fields, at: datetime) -> Verdict:
        if account.status == status:
            return Done(account.id, account.version)
        if account.status == CLOSED:
            return Refused({"account-closed"})
        return _changed(state, account, type_, at, status=status)

    return decide


@_with_account
def _erase(state: State, account: Account, _: Fields, __: datetime) -> Verdict:
    """As if there never had been such a person, but for the id and the day of registration."""
    erased = replace(
        state,
        accounts={id_: each for id_, each in state.accounts.items() if id_ != account.id},
        memberships={belongs: each for belongs, each in state.memberships.items() if belongs[1] != account.id},
        happened=tuple(item for item in state.happened if item.account != account.id),
    )
    return Done(account.id, account.version + 1, lambda _: [erased])


def _create_group(state: State, fields: Fields, at: datetime) -> Verdict:
    there = state.groups.values()
    taken = {
        "slug-taken": fields["slug"] in {each.slug for each in there},
        "external-id-taken": fields.get("external_id") in {each.external_id for each in there} - {None},
        "group-exists": fields.get("group_id") in state.group_ids,
    }
    if any(taken.values()):
        return Refused({problem for problem, holds in taken.items() if holds})
    described = {name: fields.get(name) for name in ("slug", "name", "description", "external_id")}
    group = Group(id="", **described, created_at=at, updated_at=at)
    return Done(fields.get("group_id"), 1, lambda id_: [_created(state, replace(group, id=id_))])


def _created(state: State, group: Group) -> State:
    return replace(state, groups={**state.groups, group.id: group}, group_ids=state.group_ids | {group.id})


def _with_group(decide: Callable[..., Verdict]) -> Callable[[State, Fields, datetime], Verdict]:
    """A command about a group that must be there."""

    def decided(state: State, fields: Fields, at: datetime) -> Verdict:
        group = group_of(state, fields["group"])
        return decide(state, group, fields, at) if group else Refused({"group-not-found"})

    return decided


@_with_group
def _update_group(state: State, group: Group, fields: Fields, at: datetime) -> Verdict:
    if (other := group_of(state, fields.get("slug", ""))) and other.id != group.id:
        return Refused({"slug-taken"})
    told = {name: value for name, value in fields.items() if name != "group" and value != getattr(group, name)}
    # A new slug is an event of its own, before all else.
    parts = [{"slug": told.pop("slug")}] if "slug" in told else []
    states = []
    for part in [*parts, told] if told else parts:
        group = replace(group, **part, version=group.version + 1, updated_at=at)
        states.append(replace(state, groups={**state.groups, group.id: group}))
    return Done(group.id, group.version, lambda _: states)


@_with_group
def _delete_group(state: State, group: Group, _: Fields, __: datetime) -> Verdict:
    """No member is told."""
    groups = {id_: each for id_, each in state.groups.items() if id_ != group.id}
    memberships = {belongs: each for belongs, each in state.memberships.items() if belongs[0] != group.id}
    return Done(group.id, group.version + 1, lambda _: [replace(state, groups=groups, memberships=memberships)])


def _with_both(decide: Callable[..., Verdict]) -> Callable[[State, Fields, datetime], Verdict]:
    """A command about an account and a group that must be there."""

    def decided(state: State, fields: Fields, at: datetime) -> Verdict:
        account, group = account_of(state, fields["account"]), group_of(state, fields["group"])
        if not (account and group):
            wrong = {"account-not-found": account, "group-not-found": group}
            # Or that the account is closed, if only the group is not there.
            closed = {"account-closed"} if account and account.status == CLOSED else set()
            return Refused({problem for problem, found in wrong.items() if found is None} | closed)
        return decide(state, account, (group.id, account.id), fields, at)

    return decided


@_with_both
def _add_member(state: State, account: Account, belongs: tuple[str, str], fields: Fields, at: datetime) -> Verdict:
    if account.status == CLOSED:
        return Refused({"account-closed"})
    role = fields.get("role", "member")
    if belongs in state.memberships:
        return _with_role(state, belongs, role, at)
    return Done(None, 1, lambda id_: [_belongs(state, belongs, Membership(id=id_, role=role, since=at), "added", at)])


@_with_both
def _change_role(state: State, _: Account, belongs: tuple[str, str], fields: Fields, at: datetime) -> Verdict:
    if belongs not in state.memberships:
        return Refused({"member-not-found"})
    return _with_role(state, belongs, fields["role"], at)


def _with_role(state: State, belongs: tuple[str, str], role: str, at: datetime) -> Verdict:
    membership = state.memberships[belongs]
    if role == membership.role:
        return Done(membership.id, membership.version)
    changed = replace(membership, role=role, version=membership.version + 1)
    return Done(membership.id, changed.version, lambda _: [_belongs(state, belongs, changed, "role-changed", at)])


@_with_both
def _remove_member(state: State, _: Account, belongs: tuple[str, str], __: Fields, at: datetime) -> Verdict:
    if (membership := state.memberships.get(belongs)) is None:
        return Refused({"member-not-found"})
    return Done(membership.id, membership.version + 1, lambda _: [_belongs(state, belongs, None, "removed", at)])


def _belongs(state: State, belongs: tuple[str, str], now: Membership | None, what: str, at: datetime) -> State:
    memberships = {**state.memberships, belongs: now}
    item = Item(belongs[1], f"member-{what}", at)
    there = {each: membership for each, membership in memberships.items() if membership}
    return replace(state, memberships=there, happened=(*state.happened, item))


_COMMANDS: Mapping[str, Callable[[State, Fields, datetime], Verdict]] = {
    "register-account": _register,
    "change-handle": _change("handle"),
    "change-email": _change("email"),
    "update-profile": _update_profile,
    "suspend-account": _become(SUSPENDED, "account-suspended"),
    "reinstate-account": _become(ACTIVE, "account-reinstated"),
    "close-account": _become(CLOSED, "account-closed"),
    "erase-account": _erase,
    "create-group": _create_group,
    "update-group": _update_group,
    "delete-group": _delete_group,
    "add-group-member": _add_member,
    "change-member-role": _change_role,
    "remove-group-member": _remove_member,
}
