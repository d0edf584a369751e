"""People and groups as their commands have made them: what the directory must show of them, by its model."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.support import directory_views as due
from tests.support.directory_model import Account, State, Timeline


class Person(NamedTuple):
    """A person whose registration was accepted, in the part of the directory that only one client changes."""

    id: str
    part: Timeline

    @property
    def account(self) -> Account:
        return self.part.now.accounts[self.id]

    @property
    def position(self) -> int:
        """From which on they are shown as they are now."""
        return self.part.head

    def shows_in(self, record: Mapping[str, Any] | None, state: State | None = None) -> bool:
        """Whether a record says of them what it must, at present or in another state; None if there is none."""
        return timeless(record) == timeless(due.record(state or self.part.now, self.id))

    def __repr__(self) -> str:
        return repr(self.account)


class Group(NamedTuple):
    """A group whose creation was accepted, likewise."""

    id: str
    part: Timeline

    def shows_in(self, record: Mapping[str, Any] | None) -> bool:
        return timeless(record) == timeless(due.group_record(self.part.now, self.id))

    @property
    def version(self) -> int:
        """How many events it has had, its deletion included."""
        *_, last = (state.groups[self.id].version for state in self.part.since(0) if self.id in state.groups)
        return last + (self.id not in self.part.now.groups)


def timeless(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A record without what only the server's clock knows."""
    return record and {name: value for name, value in record.items() if name not in {"created_at", "updated_at"}}


def registration(name: str) -> dict[str, Any]:
    """A person whose keys all carry their name."""
    return {
        "handle": name,
        "email": f"{name}@example.org",
        "external_id": f"load:{name}",
        "display_name": f"Person {name}",
        "tags": ["load", name],
    }


def ways_to(person: Person) -> list[str]:
    """Every path that leads to them."""
    account = person.account
    return [
        f"/profiles/{account.id}",
        f"/profiles/by-handle/{account.handle.upper()}",
        f"/profiles/by-email/{account.email.upper()}",
        f"/profiles/by-external-id/{account.external_id}",
    ]


def list_of(person: Person) -> str:
    """The path of a list in which they stand alone."""
    return f"/profiles?status=any&tag={person.account.profile['tags'][-1]}"
