"""Clients that send commands of every kind, repeat some, and ask for some that must be refused."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx

from tests.support.load import Hand, Load, is_problem
from tests.support.people import Group, Member, Person

REPEATED = 0.03
"""The share of accepted commands that are sent once more under their key."""


@dataclass
class MixedLoad(Load):
    """A client changes nobody but those whom it has registered itself, so what must be there is known."""

    groups: list[Group] = field(default_factory=list)
    deleted: list[Group] = field(default_factory=list)
    WEIGHTS: ClassVar[dict[str, int]] = {
        "_register": 22,
        "_change_one": 25,
        "_change_status": 8,
        "_close": 1,
        "_create_group": 3,
        "_rename_group": 3,
        "_delete_group": 1,
        "_add_member": 22,
        "_change_role": 5,
        "_remove_member": 5,
        "_be_refused": 3,
        "_expect_another_version": 2,
    }

    @property
    def position(self) -> int:
        everything: tuple[Person | Group, ...] = (*self.accepted, *self.groups, *self.deleted)
        return max([*(each.position for each in everything), 0])

    async def register(self, name: str, client: httpx.AsyncClient) -> Person:
        """Register another person, whom no client changes."""
        hand = _hand(name, client)
        await self._register(name, name, hand)
        return hand.people[0]

    async def create_group(self, name: str, client: httpx.AsyncClient) -> Group:
        """Have a group more, which no client changes."""
        hand = _hand(name, client)
        await self._create_group(name, name, hand)
        return hand.groups[0]

    async def send(self, command: str, body: dict[str, str], key: str, client: httpx.AsyncClient) -> int:
        """Send a command until its outcome is known; gives the status, for the caller to keep in mind."""
        return int((await super()._outcome(command, body, key, _hand(key, client))).status_code)

    async def suspend(self, person: Person, client: httpx.AsyncClient) -> None:
        """Suspend a person whom no client changes."""
        key = f"suspend:{person.id}"
        await self._have_status(person, "suspend-account", "suspended", key, _hand(key, client))

    async def _send_one(self, name: str, hand: Hand) -> None:
        if len(hand.people) < 2:
            return await self._register(name, name, hand)
        if not hand.groups:
            return await self._create_group(name, name, hand)
        [command] = hand.choose.choices(tuple(self.WEIGHTS), tuple(self.WEIGHTS.values()))
        send: Callable[[str, str, Hand], Awaitable[None]] = getattr(self, command)
        return await send(name, name, hand)

    async def _outcome(self, command: str, body: dict[str, Any], key: str | None, hand: Hand, **headers: str) -> Any:
        first = await super()._outcome(command, body, key, hand, **headers)
        if first.status_code == 200 and hand.choose.random() < REPEATED:
            again = await super()._outcome(command, body, key, hand, **headers)
            same = again.status_code == 200 and again.json() == first.json()
            self._is_as_promised(again, same and "Idempotency-Replayed" in again.headers)
        return first

    async def _change_one(self, name: str, key: str, hand: Hand) -> None:
        await self._change(hand.choose.choice(hand.people), name, key, hand)

    async def _change_status(self, name: str, key: str, hand: Hand) -> None:
        person = hand.choose.choice(hand.people)
        command, status = hand.choose.choice((("suspend-account", "suspended"), ("reinstate-account", "active")))
        await self._have_status(person, command, status, key, hand)

    async def _close(self, name: str, key: str, hand: Hand) -> None:
        """Close an account, and be refused to change it."""
        person = hand.people.pop()
        await self._have_status(person, "close-account", "closed", key, hand)
        answer = await self._outcome("suspend-account", {"account": person.id}, f"{key}.closed", hand)
        self._is_as_promised(answer, is_problem(answer, 409, "account-closed"))

    async def _have_status(self, person: Person, command: str, status: str, key: str, hand: Hand) -> None:
        """What a person is already, changes nothing."""
        answer = await self._outcome(command, {"account": person.id}, key, hand)
        reached = person.version + (person.status != status)
        if self._is_version(answer, reached) and person.status != status:
            person.become(position=answer.json()["position"], status=status, version=reached)

    async def _expect_another_version(self, name: str, key: str, hand: Hand) -> None:
        body = {"account": hand.choose.choice(hand.people).id, "title": "never"}
        answer = await self._outcome("update-profile", body, key, hand, **{"If-Match": '"1000000"'})
        self._is_as_promised(answer, is_problem(answer, 412, "version-mismatch"))

    async def _create_group(self, name: str, key: str, hand: Hand) -> None:
        body = {"slug": name, "name": f"Group {name}"}
        answer = await self._outcome("create-group", body, key, hand)
        if self._is_version(answer, 1):
            group = Group(id=answer.json()["id"], position=answer.json()["position"], **body)
            hand.groups.append(group)
            self.groups.append(group)

    async def _rename_group(self, name: str, key: str, hand: Hand) -> None:
        group = hand.choose.choice(hand.groups)
        answer = await self._outcome("update-group", {"group": group.id, "name": name}, key, hand)
        if self._is_version(answer, group.version + 1):
            group.version, group.name, group.position = group.version + 1, name, answer.json()["position"]
            for person, _ in group.members.values():
                self._belong(person, group, person.groups[group.slug][1], group.position)

    async def _delete_group(self, name: str, key: str, hand: Hand) -> None:
        group = hand.groups.pop()
        answer = await self._outcome("delete-group", {"group": group.slug}, key, hand)
        if self._is_version(answer, group.version + 1):
            self.groups.remove(group)
            self.deleted.append(group)
            group.version, group.position = group.version + 1, answer.json()["position"]
            for person, _ in group.members.values():
                self._belong(person, group, None, group.position)

    async def _add_member(self, name: str, key: str, hand: Hand) -> None:
        """Add a person who may be a member already: then they get another role."""
        group, person = hand.choose.choice(hand.groups), hand.choose.choice(hand.people)
        member = group.members.get(person.id, Member(person, 0))
        await self._have_role("add-group-member", group, member, name, hand)

    async def _change_role(self, name: str, key: str, hand: Hand) -> None:
        if found := self._some_member(hand):
            await self._have_role("change-member-role", *found, name, hand)

    async def _have_role(self, command: str, group: Group, member: Member, role: str, hand: Hand) -> None:
        body = {"group": group.slug, "account": member.person.id, "role": role}
        answer = await self._outcome(command, body, role, hand)
        if self._is_version(answer, member.version + 1):
            group.members[member.person.id] = Member(member.person, member.version + 1)
            self._belong(member.person, group, role, answer.json()["position"])

    async def _remove_member(self, name: str, key: str, hand: Hand) -> None:
        if found := self._some_member(hand):
            group, (person, version) = found
            answer = await self._outcome("remove-group-member", {"group": group.id, "account": person.id}, key, hand)
            if self._is_version(answer, version + 1):
                del group.members[person.id]
                self._belong(person, group, None, answer.json()["position"])

    def _some_member(self, hand: Hand) -> tuple[Group, Member] | None:
        """One whom nobody has closed."""
        there = [
            (group, each) for group in hand.groups for each in group.members.values() if each.person in hand.people
        ]
        return hand.choose.choice(there) if there else None

    def _belong(self, person: Person, group: Group, role: str | None, position: int) -> None:
        others = {slug: told for slug, told in person.groups.items() if slug != group.slug}
        own = {} if role is None else {group.slug: (group.name, role)}
        person.become(position=position, groups=others | own)


def _hand(name: str, client: httpx.AsyncClient) -> Hand:
    """One that has nothing of its own yet."""
    return Hand(client, random.Random(name), [], [])
