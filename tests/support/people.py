"""People and groups as their commands have made them, and as the directory must show them."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(slots=True)
class Person:
    """A person whose registration was accepted, as the directory must show them."""

    id: str
    position: int
    """Of the last command that changed them."""
    handle: str
    email: str
    external_id: str
    display_name: str
    tags: list[str]
    title: str | None = None
    status: str = "active"
    version: int = 1
    profile_version: int = 1
    groups: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name and role, by slug."""
    past: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """What the directory must show of them from which position on, in order."""

    def __post_init__(self) -> None:
        self.past.append((self.position, self.expected()))

    def shows_in(self, record: dict[str, Any]) -> bool:
        """Whether a record says of them what it must; never more, as what was sent is all there is."""
        return shows(record, self.expected())

    def expected(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__slots__ if name not in {"id", "position", "past"}}
        return {"account_id": self.id, **fields, "groups": dict(self.groups)}

    def become(self, *, position: int, **changes: Any) -> None:
        """Be what a command has made of them."""
        self.position = position
        for name, value in changes.items():
            setattr(self, name, value)
        self.past.append((position, self.expected()))


def shows(record: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether a record says what is expected."""
    groups = {each["slug"]: (each["name"], each["role"]) for each in record.get("groups", ())}
    return all((groups if name == "groups" else record.get(name)) == value for name, value in expected.items())


@dataclass(slots=True)
class Group:
    """A group whose creation was accepted; only the client that has created it changes it."""

    id: str
    slug: str
    name: str
    position: int
    version: int = 1
    members: dict[str, "Member"] = field(default_factory=dict)
    """By account."""


class Member(NamedTuple):
    person: Person
    version: int


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
    return [
        f"/profiles/{person.id}",
        f"/profiles/by-handle/{person.handle.upper()}",
        f"/profiles/by-email/{person.email.upper()}",
        f"/profiles/by-external-id/{person.external_id}",
    ]
