"""`muster export` of all there is, and the import of what it wrote into an empty Muster."""

import csv
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.support.commands import muster, muster_program
from tests.support.patience import SECONDS, wait_until
from tests.support.people import registration
from tests.support.sessions import migrated_database
from tests.support.stack import Stack, service

STATE = (
    """select a.id, a.email, a.handle, a.external_id, a.status, p.display_name, p.given_name, p.family_name, p.title,
    p.bio, p.locale, p.time_zone, p.picture_url, p.links::text, p.tags, p.attributes::text
    from accounts a join profiles p using (id) order by a.id""",
    "select id, slug, name, description, external_id from groups order by id",
    "select group_id, account_id, role from memberships order by group_id, account_id",
)
"""All but versions and times, which are new, and whether an address is verified, which it is by its owner alone."""


@pytest.fixture(scope="module")
def directory(stack: Stack) -> Stack:
    """The stack that other tests have filled, hostile texts included; with one person of each status."""
    with httpx.Client(base_url=stack.addresses.write, headers=stack.headers, timeout=60, trust_env=False) as client:
        for name, *commands in (("out-a", "add-group-member"), ("out-b", "add-group-member", "close-account")):
            _post(client, "register-account", **registration(name))
            if name == "out-a":
                _post(client, "create-group", slug="out-staff", name="Staff", description='=1+1; “who”, "what"')
            for command in commands:
                group = {"group": "out-staff", "role": "=Chair"} if command == "add-group-member" else {}
                position = _post(client, command, account=f"@{name}", **group)
    _await_read(stack, "/profiles/by-handle/out-b", position)
    _await_read(stack, "/groups/out-staff", position)
    return stack


async def test_an_empty_muster_takes_in_what_was_exported(directory, tmp_path):
    """The same people, groups and memberships, with their ids; importing it again changes nothing."""
    exported = muster(directory.home, "export")
    assert exported.returncode == 0, exported.stderr
    (file := tmp_path / "muster.ndjson").write_text(exported.stdout)

    with migrated_database(directory.addresses.database_url) as url:
        variables = {"MUSTER_DATABASE_URL": url, "MUSTER_REDIS_URL": directory.addresses.redis_url}
        async with service("write", tmp_path / "write.log", **variables) as (write_url, _):
            for _ in range(2):
                taken = muster(tmp_path, "import", str(file), "--no-mail", MUSTER_WRITE_URL=write_url)
                assert taken.returncode == 0, taken.stderr
        assert "0 failed" in taken.stdout
        assert ": 0 applied" in taken.stdout
        for query in STATE:
            assert _rows(url, query) == _rows(directory.addresses.database_url, query)


def test_a_table_has_a_row_for_everyone_and_says_what_would_be_refused(directory, tmp_path):
    """Everyone is there already, so a dry run refuses each row by its line, and posts nothing."""
    exported = muster(directory.home, "export", "--format", "csv")
    assert exported.returncode == 0, exported.stderr
    rows = list(csv.DictReader(io.StringIO(exported.stdout, newline="")))
    assert len(rows) == _rows(directory.addresses.database_url, "select count(*) from accounts")[0][0]

    (file := tmp_path / "people.csv").write_text(
        "handle;email;Name\nout-a;new@example.org;Another\nout-new;out-new@example.org;New\nOUT-NEW;x@example.org;Other\n"
        ";y@example.org;Nobody\n"
    )
    dry = muster(directory.home, "import", str(file), "--map", "Name=display_name", "--dry-run")

    assert dry.returncode == 1
    assert [line.split(":")[0] for line in dry.stderr.splitlines() if line.startswith("line")] == [
        "line 2",
        "line 4",
        "line 5",
    ]
    assert "an account in the directory has it (handle-taken)" in dry.stderr
    assert "line 3 has it already (handle-taken)" in dry.stderr
    assert dry.stdout.startswith("4 lines in ")
    assert "1 would be applied, 3 refused; nothing was posted" in dry.stdout
    assert _rows(directory.addresses.database_url, "select 1 from accounts where handle_unique = 'out-new'") == []


def test_an_export_needs_its_own_scope(directory):
    token = muster(
        directory.home, "token", "--scope", "profiles:read", "--scope", "profiles:read.private", "--ttl", "1m"
    )

    refused = muster(directory.home, "export", MUSTER_TOKEN=token.stdout.strip())

    assert refused.returncode == 1
    assert "the scope export" in refused.stderr
    assert refused.stdout == ""


def test_an_export_that_breaks_off_is_no_success(tmp_path):
    """As when the read API is stopped meanwhile: what was written is not whole, and that is said."""
    with _half_an_answer() as url:
        broken = muster_program(tmp_path, "export", MUSTER_READ_URL=url)

    assert broken.returncode == 1
    assert "not to the end" in broken.stderr


def _post(client: httpx.Client, command: str, **fields: object) -> int:
    answer = client.post(f"/commands/{command}", json=fields)
    assert answer.status_code == 200, answer.text
    return int(answer.headers["Muster-Position"])


def _await_read(stack: Stack, path: str, position: int) -> None:
    url, headers = f"{stack.addresses.read}{path}", {**stack.headers, "Muster-Min-Position": str(position)}
    wait_until(lambda: httpx.get(url, headers=headers, timeout=SECONDS, trust_env=False).is_success)


def _rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


@contextmanager
def _half_an_answer() -> Iterator[str]:
    """A server that sends the first of two chunks, and closes."""

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=answer)
        serving.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        serving.join()
