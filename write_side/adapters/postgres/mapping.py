"""The imperative mapping of aggregates to tables: the domain knows nothing of it (data mapper, Fowler, PoEAA)."""

from functools import cache
from typing import Any

from sqlalchemy import Table, event
from sqlalchemy.orm import registry

from write_side.adapters.postgres.tables import accounts, groups, memberships, profiles
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile

_TABLES: dict[type[Aggregate], Table] = {
    Account: accounts,
    Profile: profiles,
    Group: groups,
    Membership: memberships,
}


@cache
def map_aggregates() -> None:
    """Map each aggregate once; its version, which the domain counts, is what UPDATE and DELETE compare."""
    mapper_registry = registry()
    for kind, table in _TABLES.items():
        mapper_registry.map_imperatively(kind, table, version_id_col=table.c.version, version_id_generator=False)
    for kind, fill in ((Account, _fill_account), (Group, _fill_group)):
        event.listen(kind, "before_insert", fill)
        event.listen(kind, "before_update", fill)


# Uniqueness is decided on the normalised forms, which `shared.text` alone makes.


def _fill_account(_mapper: object, _connection: object, account: Any) -> None:
    account.email_unique = account.email.unique
    account.handle_unique = account.handle.unique
    account.external_id_unique = account.external_id and account.external_id.unique


def _fill_group(_mapper: object, _connection: object, group: Any) -> None:
    group.slug_unique = group.slug.unique
    group.external_id_unique = group.external_id and group.external_id.unique
