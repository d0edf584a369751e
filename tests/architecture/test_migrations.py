"""The migrations make the tables that the mapping expects."""

from uuid import UUID

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from shared.postgres.arguments import connect_arguments
from shared.read_model.records import GroupRecord, MembershipRecord, ProfileRecord
from tests.support.sessions import another_database
from write_side.adapters.postgres.migrate import OneAddressTwice, config_for, migrate
from write_side.adapters.postgres.tables import metadata


def differences(url: str) -> list[object]:
    engine = create_engine("postgresql+psycopg://", connect_args=connect_arguments(url))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    return [each for each in found if "alembic_version" not in str(each)]


def test_the_migrated_tables_are_the_mapped_ones(database_url):
    assert differences(database_url) == []


def test_every_difference_would_be_found(database_url):
    changes = (
        "alter table accounts add column more text",
        "alter table profiles alter column bio set not null",
        "alter table accounts drop constraint accounts_email_is_unique",
        "alter table event_log alter column schema type bigint",
        "alter table groups drop constraint groups_slug_is_unique",
        "alter table memberships drop constraint memberships_are_unique",
        "alter table memberships drop constraint memberships_have_an_account",
        "drop index memberships_by_account",
    )
    with psycopg.connect(database_url) as connection:
        for change in changes:
            connection.execute(change)

    assert len(differences(database_url)) == len(changes)


def test_what_is_published_has_the_fields_of_the_records(database_url):
    """A field that a record gets, and no view, would be compared with nothing; what is parked, no state tells."""
    with psycopg.connect(database_url) as connection:
        for view, record, key in (
            ("directory_profiles", ProfileRecord, set()),
            ("directory_groups", GroupRecord, set()),
            ("directory_memberships", MembershipRecord, {"group_id", "account_id"}),
        ):
            columns = connection.execute(f"select * from {view} limit 0").description
            assert {column.name for column in columns} == {*record.__struct_fields__, *key} - {"stale_since"}, view


def test_migrating_again_changes_nothing(database_url):
    migrate(database_url)

    assert differences(database_url) == []


def test_a_database_of_the_first_release_keeps_what_it_has(database_url):
    """Each migration takes a database that was in use to the next."""
    with another_database(database_url) as url:
        command.upgrade(config_for(url), "0001")
        with psycopg.connect(url) as connection:
            connection.execute(
                "insert into accounts values (gen_random_uuid(), 1, 'a@b', 'a@b', 'a', 'a', null, null, 'active')"
            )

        migrate(url)

        assert differences(url) == []
        with psycopg.connect(url) as connection:
            assert connection.execute("select handle from accounts").fetchall() == [("a",)]


@pytest.fixture
def before_addresses_were_one(database_url):
    """A database of the release that compared addresses without case, and as they were written."""
    with another_database(database_url) as url:
        command.upgrade(config_for(url), "0005")
        yield url


def register(url, *emails):
    """Register accounts as that release did."""
    accounts = [(UUID(int=number), email, email.casefold(), f"h{number}") for number, email in enumerate(emails, 1)]
    with psycopg.connect(url) as connection:
        connection.cursor().executemany(
            "insert into accounts values (%s, 1, %s, %s, %s, %s, null, null, 'active')",
            [(id_, email, unique, handle, handle) for id_, email, unique, handle in accounts],
        )


def unique_addresses(url):
    with psycopg.connect(url) as connection:
        return [unique for (unique,) in connection.execute("select email_unique from accounts order by id")]


ANEW = {
    "Jo@bücher.example": "jo@xn--bcher-kva.example",
    "Straße@x.org": "straße@x.org",
    "ada@x.org.": "ada@x.org",
    "Ada@y.org": "ada@y.org",
    # One takes the form that the other one had.
    "jo@\uff53trasse.de": "jo@strasse.de",
    "jo@straße.de": "jo@xn--strae-oqa.de",
    **{f"é{number}@bücher.example": f"é{number}@xn--bcher-kva.example" for number in range(2_500)},
}


def test_addresses_are_compared_anew(before_addresses_were_one):
    register(before_addresses_were_one, *ANEW)

    migrate(before_addresses_were_one)

    assert unique_addresses(before_addresses_were_one) == [*ANEW.values()]
    assert differences(before_addresses_were_one) == []


@pytest.mark.parametrize(
    "emails",
    [
        ("jo@bücher.example", "jo@xn--bcher-kva.example"),
        ("jo@bücher.example", "jo@\uff42\u00fccher.example"),
        ("ada@x.org", "Ada@x.org."),
        ("jo@exam\u00adple.org", "jo@example.org"),
    ],
)
def test_two_accounts_with_one_address_are_named_and_nothing_is_changed(before_addresses_were_one, emails):
    """Nobody but an operator knows whose it is."""
    register(before_addresses_were_one, "straße@x.org", *emails)
    before = unique_addresses(before_addresses_were_one)

    with pytest.raises(OneAddressTwice) as error:
        migrate(before_addresses_were_one)

    assert f"({UUID(int=2)} and {UUID(int=3)})" in str(error.value)
    assert "\n" not in str(error.value)
    assert unique_addresses(before_addresses_were_one) == before
    with psycopg.connect(before_addresses_were_one) as connection:
        assert connection.execute("select version_num from alembic_version").fetchone() == ("0005",)
