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
    for kind, fill in FILL.items():
        event.listen(kind, "before_insert", partial(_before_write, fill))
        event.listen(kind, "before_update", partial(_before_write, fill))


def _before_write(fill: Callable[[Any], None], _mapper: object, _connection: object, aggregate: Any) -> None:
    fill(aggregate)


# Uniqueness is decided on the normalised forms, which `shared.text` alone makes.


def _fill_account(account: Any) -> None:
    account.email_unique = account.email.unique
    account.handle_unique = account.handle.unique
    account.external_id_unique = account.external_id and account.external_id.unique


def _fill_group(group: Any) -> None:
    group.slug_unique = group.slug.unique
    group.external_id_unique = group.external_id and group.external_id.unique


FILL: Mapping[type[Aggregate], Callable[[Any], None]] = {Account: _fill_account, Group: _fill_group}
"""What fills the columns that no attribute of the domain fills."""
