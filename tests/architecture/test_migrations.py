"""The migrations make the tables that the mapping expects."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from shared.event_log.postgres import connect_args
from write_side.adapters.postgres.migrate import migrate
from write_side.adapters.postgres.tables import metadata


def differences(url: str) -> list[object]:
    engine = create_engine("postgresql+psycopg://", connect_args=connect_args(url))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    return [each for each in found if "alembic_version" not in str(each)]


def test_the_migrated_tables_are_the_mapped_ones(database_url):
    assert differences(database_url) == []


@pytest.mark.parametrize(
    "change",
    [
        "alter table accounts add column more text",
        "alter table profiles alter column bio set not null",
        "alter table accounts drop constraint accounts_email_is_unique",
        "alter table event_log alter column version type bigint",
    ],
)
def test_a_difference_would_be_found(database_url, change):
    with psycopg.connect(database_url) as connection:
        connection.execute(change)

    assert differences(database_url)


def test_migrating_again_changes_nothing(database_url):
    migrate(database_url)

    assert differences(database_url) == []
