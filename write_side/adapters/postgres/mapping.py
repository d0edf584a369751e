"""
The imperative mapping of aggregates to tables: the domain knows nothing of it (data mapper, Fowler, PoEAA).

What is mapped is a subclass of each: SQLAlchemy notes each change of a mapped attribute, which would take an eighth of
a registration that no session ever sees.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from sqlalchemy import Table, event
from sqlalchemy.orm import registry

from write_side.adapters.postgres.tables import accounts, groups, memberships, profiles
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile

_registry = registry()

TABLES: dict[type[Aggregate], Table] = {
    Account: accounts,
    Profile: profiles,
    Group: groups,
    Membership: memberships,
}


def mapped_copy(aggregate: Aggregate) -> Aggregate:
    """Return a new aggregate as a session can store it."""
    values = {field.name: getattr(aggregate, field.name) for field in fields(aggregate)}
    copy: Aggregate = MAPPED[type(aggregate)](**values)
    return copy


def _before_write(normalised: "Normalised", _mapper: object, _connection: object, aggregate: Any) -> None:
    for name, value in normalised(aggregate).items():
        setattr(aggregate, name, value)


# Uniqueness is decided on the normalised forms, which `shared.text` alone makes.


def _of_account(account: Account) -> Mapping[str, str | None]:
    return {
        "email_unique": account.email.unique,
        "handle_unique": account.handle.unique,
        "external_id_unique": account.external_id and account.external_id.unique,
    }


def _of_group(group: Group) -> Mapping[str, str | None]:
    return {
        "slug_unique": group.slug.unique,
        "external_id_unique": group.external_id and group.external_id.unique,
    }


Normalised = Callable[[Any], Mapping[str, str | None]]
NORMALISED: Mapping[type[Aggregate], Normalised] = {Account: _of_account, Group: _of_group}
"""What gives the columns that no attribute of the domain fills."""


def _mapped(kind: type[Aggregate], table: Table) -> type[Any]:
    mapped = type(kind.__name__, (kind,), {})
    _registry.map_imperatively(mapped, table, version_id_col=table.c.version, version_id_generator=False)
    if normalised := NORMALISED.get(kind):
        event.listen(mapped, "before_insert", partial(_before_write, normalised))
        event.listen(mapped, "before_update", partial(_before_write, normalised))
    return mapped


MAPPED: Mapping[type[Aggregate], type[Any]] = {kind: _mapped(kind, table) for kind, table in TABLES.items()}
"""The classes of which a session makes aggregates."""
