"""The imperative mapping of aggregates to tables: the domain knows nothing of it (data mapper, Fowler, PoEAA)."""

from functools import cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import registry

from write_side.adapters.postgres.tables import accounts, profiles
from write_side.domain.account import Account
from write_side.domain.profile import Profile


@cache
def map_aggregates() -> None:
    """Map each aggregate once; its version, which the domain counts, is what an UPDATE compares."""
    mapper_registry = registry()
    mapper_registry.map_imperatively(Account, accounts, version_id_col=accounts.c.version, version_id_generator=False)
    mapper_registry.map_imperatively(Profile, profiles, version_id_col=profiles.c.version, version_id_generator=False)
    event.listen(Account, "before_insert", _fill_unique)
    event.listen(Account, "before_update", _fill_unique)


def _fill_unique(_mapper: object, _connection: object, account: Any) -> None:
    """Uniqueness is decided on the normalised forms, which `shared.text` alone makes."""
    account.email_unique = account.email.unique
    account.handle_unique = account.handle.unique
    account.external_id_unique = account.external_id and account.external_id.unique
