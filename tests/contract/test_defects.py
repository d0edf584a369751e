"""What a failure of the database says of people stays out of the log and out of the answer."""

import logging

import psycopg
import pytest
from structlog.testing import capture_logs

from shared.auth.setup import admit_everyone
from tests.support.apps import app_client
from tests.support.write_side import ANDRE
from write_side.http.app import write_api
from write_side.services import register_postgres


@pytest.mark.parametrize(
    ("spoil", "status", "is_said"),
    [
        ("alter table accounts drop column status cascade", 503, "/problems/storage-unavailable"),
        ("alter table accounts add constraint never check (handle_unique = 'nobody')", 500, "unexpected error"),
    ],
    ids=["an older schema", "a row that is quoted in the error"],
)
async def test_people_are_not_quoted(database_url, caplog, spoil, status, is_said):
    """SQLAlchemy quotes the parameters of a statement, PostgreSQL the row that it refuses."""
    with psycopg.connect(database_url) as connection:
        connection.execute(spoil)

    def register(registry) -> None:
        register_postgres(registry, url=database_url, allow_unsafe=True)

    with capture_logs() as logged, caplog.at_level(logging.DEBUG):
        async with app_client(write_api, admit_everyone, register) as client:
            answer = await client.post("/commands/register-account", json=ANDRE)

    said = f"{logged}{caplog.text}{answer.text}"
    assert answer.status_code == status
    assert is_said in said
    assert not [personal for personal in ANDRE.values() if personal in said]
