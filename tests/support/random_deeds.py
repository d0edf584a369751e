"""Commands made of numbers, and what the model makes of them."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import uuid_utils.compat

from tests.support.plain_directory import Directory

NAMES = ("André Carson", "Linda T. Sánchez", "andrea Carter", "Zoë Quinn", "ANDRE CARSON", "Bob")
TITLES = (None, "Senator", "Sénatrice", "Dr")
TAGS = ("red", "blue", "Red", "on-call")
ROLES = ("member", "chair")


class Deed(NamedTuple):
    """A command and what the model makes of it, and what is done after it."""

    command: str
    fields: dict[str, Any]
    expected: Callable[[Directory], None]
    projects: bool
    looks: bool
    size: int
    sweep: int


def deeds_of(numbers: Sequence[tuple[int, ...]], *, number: int) -> Iterator[Deed]:
    """Make commands of numbers; names end in the number of the run, as the database is that of all runs."""
    for kind, who, what, how in numbers:
        command, fields, expected = _COMMANDS[kind % len(_COMMANDS)](Random(f"{who} {what} {how}"), number)
        yield Deed(command, fields, expected, how % 3 == 0, how % 17 == 0, 1 + how % 7, what % 3)


def _register(random: Random, run: int) -> tuple[str, dict[str, Any], Callable[[Directory], None]]:
    fields = {
        "account_id": uuid_utils.compat.uuid7(),
        "handle": _handle(random, run),
        "email": _email(random, run),
        "display_name": random.choice(NAMES),
        "title": random.choice(TITLES),
        "tags": tuple(random.sample(TAGS, random.randint(0, 3))),
    }
    return "register-account", _sent(fields), lambda model: model.register(**fields)


def _update(random: Random, run: int) -> Any:
    changes = random.choice(
        [
            {"display_name": random.choice(NAMES)},
            {"title": random.choice(TITLES)},
            {"tags": tuple(random.sample(TAGS, random.randint(0, 3)))},
            {"title": random.choice(TITLES), "display_name": random.choice(NAMES)},
        ]
    )
    handle = _handle(random, run)
    return "update-profile", {"account": f"@{handle}", **changes}, lambda model: model.update(handle, **changes)


def _change_handle(random: Random, run: int) -> Any:
    handle, new = _handle(random, run), _handle(random, run)
    return "change-handle", {"account": f"@{handle}", "handle": new}, lambda model: model.change_handle(handle, new)


def _change_email(random: Random, run: int) -> Any:
    handle, new = _handle(random, run), _email(random, run)
    return "change-email", {"account": f"@{handle}", "email": new}, lambda model: model.change_email(handle, new)


def _change_status(random: Random, run: int) -> Any:
    handle, verb = _handle(random, run), random.choice(("suspend", "reinstate", "suspend", "reinstate", "close"))
    return f"{verb}-account", {"account": f"@{handle}"}, lambda model: getattr(model, verb)(handle)


def _create_group(random: Random, run: int) -> Any:
    fields = {"group_id": uuid_utils.compat.uuid7(), "slug": slug_of(random, run), "name": random.choice(NAMES)}
    return "create-group", _sent(fields), lambda model: model.create_group(**fields)


def _update_group(random: Random, run: int) -> Any:
    slug, new = slug_of(random, run), slug_of(random, run)
    sent = random.choice([{"name": random.choice(NAMES)}, {"description": "of all"}, {"slug": new}])
    changes = {"new_slug" if name == "slug" else name: value for name, value in sent.items()}
    return "update-group", {"group": slug, **sent}, lambda model: model.update_group(slug, **changes)


def _delete_group(random: Random, run: int) -> Any:
    slug = slug_of(random, run)
    return "delete-group", {"group": slug}, lambda model: model.delete_group(slug)


def _add(random: Random, run: int) -> Any:
    slug, handle, role = slug_of(random, run), _handle(random, run), random.choice(ROLES)
    fields = {"group": slug, "account": f"@{handle}", "role": role}
    return "add-group-member", fields, lambda model: model.add_member(slug, handle, role)


def _change_role(random: Random, run: int) -> Any:
    slug, handle, role = slug_of(random, run), _handle(random, run), random.choice(ROLES)
    fields = {"group": slug, "account": f"@{handle}", "role": role}
    return "change-member-role", fields, lambda model: model.change_role(slug, handle, role)


def _remove(random: Random, run: int) -> Any:
    slug, handle = slug_of(random, run), _handle(random, run)
    return (
        "remove-group-member",
        {"group": slug, "account": f"@{handle}"},
        lambda model: model.remove_member(slug, handle),
    )


_COMMANDS: Sequence[Callable[[Random, int], Any]] = (
    *(_register,) * 5,
    *(_add,) * 6,
    *(_update,) * 2,
    *(_create_group,) * 3,
    *(_update_group,) * 2,
    _change_handle,
    _change_email,
    _change_status,
    _change_role,
    _remove,
    _delete_group,
)


def _handle(random: Random, run: int) -> str:
    return random.choice(("ada", "Bob", "cyd", "dan", "eve.x", "fay")) + f".{run}"


def _email(random: Random, run: int) -> str:
    return f"{random.choice('abcdefg')}@{run}.example"


def slug_of(random: Random, run: int) -> str:
    return random.choice(("red", "blue", "green")) + f"-{run}"


def _sent(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in fields.items()}
