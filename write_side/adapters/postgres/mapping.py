"""The imperative mapping of aggregates to tables: the domain knows nothing of it (data mapper, Fowler, PoEAA)."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from sqlalchemy import Table, event
from sqlalchemy.orm import registry

from write_side.adapters.postgres.tables import accounts, groups, memberships, profiles
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile

TABLES: dict[type[Aggregate], Table] = {
    Account: accounts,
    Profile: profiles,
    Group: groups,
    Membership: memberships,
}


@cache
def map_aggregates() -> None:
    """Map each aggregate once; its version, which the domain counts, is what UPDATE and DELETE compare."""
    mapper_registry = registry()
    for kind, table in TABLES.items():
        mapper_registry.map_imperatively(kind, table, version_id_col=table.c.version, version_id_generator=False)
    for kind, normalised in NORMALISED.items():
        event.listen(kind, "before_insert", partial(_before_write, normalised))
        event.listen(kind, "before_update", partial(_before_write, normalised))


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
