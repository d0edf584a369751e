"""
The directory as the contract describes it, small enough to be seen to be right: lists, dictionaries and sorting.

It shares nothing with the implementation, neither how text is folded nor how lists are kept.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


class Refused(Exception):
    """A command that must be refused, by the names of the rules it breaks: any of them may be told."""


@dataclass(kw_only=True)
class ModelPerson:
    account_id: UUID
    handle: str
    email: str
    display_name: str
    created_at: datetime
    updated_at: datetime
    title: str | None = None
    tags: tuple[str, ...] = ()
    status: str = "active"
    version: int = 1
    profile_version: int = 1
    groups: list[UUID] = field(default_factory=list)
    happened: list[str] = field(default_factory=lambda: ["account-registered"])

    def words(self) -> set[str]:
        texts = (self.handle, self.display_name, self.title or "", *self.tags)
        return {word for text in texts for word in plain(text).replace(".", " ").replace("-", " ").split()}


@dataclass(kw_only=True)
class ModelGroup:
    group_id: UUID
    slug: str
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    version: int = 1
    roles: dict[UUID, str] = field(default_factory=dict)
    """By account, in the order in which they joined."""


def plain(text: str) -> str:
    """Without case and accents."""
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each)).lower()


class Directory:
    """Commands change it or are refused; questions are answered from what there is."""

    def __init__(self) -> None:
        self.people: dict[UUID, ModelPerson] = {}
        self.groups: dict[UUID, ModelGroup] = {}
        self.registrations: dict[str, int] = {}
        self.now = datetime.min.replace(tzinfo=UTC)

    def register(self, account_id: UUID, **fields: Any) -> None:
        self._require_free(fields["handle"], fields["email"])
        self.people[account_id] = ModelPerson(account_id=account_id, created_at=self.now, updated_at=self.now, **fields)
        day = self.now.date().isoformat()
        self.registrations[day] = self.registrations.get(day, 0) + 1

    def update(self, handle: str, **changes: Any) -> None:
        person = self._open(handle)
        changed = {name for name, value in changes.items() if getattr(person, name) != value}
        if changed:
            self._touch(person, "profile-updated", **changes)
            person.profile_version += 1

    def change_handle(self, handle: str, new: str) -> None:
        person = self._open(handle)
        self._require_free(new, None, but=person)
        if person.handle != new:
            self._change_account(person, "handle-changed", handle=new)

    def change_email(self, handle: str, new: str) -> None:
        person = self._open(handle)
        self._require_free(None, new, but=person)
        if person.email != new:
            self._change_account(person, "email-changed", email=new)

    def suspend(self, handle: str) -> None:
        person = self._open(handle)
        if person.status != "suspended":
            self._change_account(person, "account-suspended", status="suspended")

    def reinstate(self, handle: str) -> None:
        person = self._open(handle)
        if person.status != "active":
            self._change_account(person, "account-reinstated", status="active")

    def close(self, handle: str) -> None:
        person = self._person(handle)
        if person.status != "closed":
            self._change_account(person, "account-closed", status="closed")

    def create_group(self, group_id: UUID, slug: str, name: str) -> None:
        self._require_slug(slug)
        self.groups[group_id] = ModelGroup(
            group_id=group_id, slug=slug, name=name, description=None, created_at=self.now, updated_at=self.now
        )

    def update_group(self, slug: str, *, new_slug: str | None = None, **changes: Any) -> None:
        group = self.group(slug)
        if new_slug is not None and new_slug != group.slug:
            self._require_slug(new_slug)
            group.slug, group.version, group.updated_at = new_slug, group.version + 1, self.now
        changed = {name: value for name, value in changes.items() if getattr(group, name) != value}
        if changed:
            group.version, group.updated_at = group.version + 1, self.now
            for name, value in changed.items():
                setattr(group, name, value)

    def delete_group(self, slug: str) -> None:
        group = self.group(slug)
        for account_id in group.roles:
            self.people[account_id].groups.remove(group.group_id)
        del self.groups[group.group_id]

    def add_member(self, slug: str, handle: str, role: str) -> None:
        person, group = self._open(handle), self.group(slug)
        if person.account_id not in group.roles:
            group.roles[person.account_id] = role
            person.groups.append(group.group_id)
            person.happened.append("member-added")
        elif group.roles[person.account_id] != role:
            self.change_role(slug, handle, role)

    def change_role(self, slug: str, handle: str, role: str) -> None:
        group, person = self._membership(slug, handle)
        if group.roles[person.account_id] != role:
            group.roles[person.account_id] = role
            person.happened.append("member-role-changed")

    def remove_member(self, slug: str, handle: str) -> None:
        group, person = self._membership(slug, handle)
        del group.roles[person.account_id]
        person.groups.remove(group.group_id)
        person.happened.append("member-removed")

    def listed(
        self,
        *,
        statuses: tuple[str, ...] = ("active",),
        group: str | None = None,
        tags: tuple[str, ...] = (),
        words: tuple[str, ...] = (),
        order: str | None = "display_name",
        descending: bool = False,
    ) -> list[UUID]:
        """The ids of those who fit, in order."""
        found = [
            each
            for each in self.people.values()
            if each.status in statuses
            and set(tags) <= set(each.tags)
            and all(any(word.startswith(prefix) for word in each.words()) for prefix in words)
            and (group is None or any(self.groups[of].slug == group for of in each.groups))
        ]
        found.sort(key=lambda each: (_order(order, words)(each), each.account_id.bytes), reverse=descending)
        return [each.account_id for each in found]

    def groups_listed(self, order: str, *, descending: bool) -> list[UUID]:
        def key(group: ModelGroup) -> Any:
            value = len(group.roles) if order == "member_count" else getattr(group, order)
            return (plain(value) if isinstance(value, str) else value), group.group_id.bytes

        return [each.group_id for each in sorted(self.groups.values(), key=key, reverse=descending)]

    def stats(self) -> dict[str, Any]:
        statuses = [each.status for each in self.people.values()]
        return {
            "accounts": {status: statuses.count(status) for status in ("active", "suspended", "closed")},
            "groups": len(self.groups),
            "memberships": sum(len(each.roles) for each in self.groups.values()),
            "registrations": [{"day": day, "count": count} for day, count in sorted(self.registrations.items())],
        }

    def group(self, slug: str) -> ModelGroup:
        for group in self.groups.values():
            if group.slug == slug:
                return group
        raise Refused("GroupNotFound")

    def _membership(self, slug: str, handle: str) -> tuple[ModelGroup, ModelPerson]:
        person, group = self._person(handle), self.group(slug)
        if person.account_id not in group.roles:
            raise Refused("MemberNotFound")
        return group, person

    def _person(self, handle: str) -> ModelPerson:
        for person in self.people.values():
            if person.handle.lower() == handle.lower():
                return person
        raise Refused("AccountNotFound")

    def _open(self, handle: str) -> ModelPerson:
        person = self._person(handle)
        if person.status == "closed":
            raise Refused("AccountAlreadyClosed")
        return person

    def _require_free(self, handle: str | None, email: str | None, *, but: ModelPerson | None = None) -> None:
        others, broken = [each for each in self.people.values() if each is not but], []
        if email is not None and email.lower() in {each.email.lower() for each in others}:
            broken.append("EmailTaken")
        if handle is not None and handle.lower() in {each.handle.lower() for each in others}:
            broken.append("HandleTaken")
        if broken:
            raise Refused(*broken)

    def _require_slug(self, slug: str) -> None:
        if slug in {each.slug for each in self.groups.values()}:
            raise Refused("SlugTaken")

    def _change_account(self, person: ModelPerson, happened: str, **changes: Any) -> None:
        self._touch(person, happened, **changes)
        person.version += 1

    def _touch(self, person: ModelPerson, happened: str, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(person, name, value)
        person.updated_at = self.now
        person.happened.append(happened)


def _order(order: str | None, words: tuple[str, ...]) -> Callable[[ModelPerson], Any]:
    def by_match(person: ModelPerson) -> Any:
        longest = max(words, key=len)
        return min(word for word in person.words() if word.startswith(longest)), plain(person.display_name)

    def by_field(person: ModelPerson) -> Any:
        value = getattr(person, order or "")
        return plain(value) if isinstance(value, str) else value

    return by_match if order is None else by_field
