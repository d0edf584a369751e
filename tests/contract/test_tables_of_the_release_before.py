"""A database that was not migrated yet: commands wait for that, and are carried out behind it."""

import pytest

from shared.errors import Unavailable
from shared.postgres.connection import connected
from tests.support.write_side import postgres_write_side, register


@pytest.mark.parametrize(
    ("before", "migration"),
    [
        ("alter table command_log drop column claim", "alter table command_log add column claim bigint"),
        ("alter table accounts rename email_version to e", "alter table accounts rename e to email_version"),
        ("alter table accounts rename to people", "alter table people rename to accounts"),
    ],
)
@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "alone"])
async def test_nothing_is_stored_until_the_tables_are_those_of_this_release(database_url, grouped, before, migration):
    async with (
        postgres_write_side(database_url, grouped=grouped) as write_side,
        connected(database_url, autocommit=True) as connection,
    ):
        await connection.execute(before)
        with pytest.raises(Unavailable, match="run `muster migrate`"):
            await register(write_side, "ada")
        assert await write_side.events() == []

        await connection.execute(migration)
        await register(write_side, "ada")
        assert await write_side.events()
