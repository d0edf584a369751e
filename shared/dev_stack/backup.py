"""`muster backup` and `muster restore`: the database of a home in one file, in pg_dump's format."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict

from shared.cli.exit_codes import CommandFailed
from shared.dev_stack.embedded.programs import postgres_binaries
from shared.dev_stack.home import HomeInUse, locked
from shared.dev_stack.home_servers import empty_redis_at, nodes_at, postgres_of
from shared.postgres.arguments import connect_arguments
from shared.private_files import UMASK, created_with
from shared.runtime.exit_with_parent import ending_with_parent
from shared.runtime.progress import Progress
from shared.settings import ENVIRONMENT, Settings, read_addresses

CHUNK = 256 * 1024
AS_ANYONE = ("--no-owner", "--no-privileges")
"""The roles of one server are not those of another."""

LOGIN = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}


class BackupError(CommandFailed):
    """A backup cannot be made or restored; the text says why and what to do."""


def back_up(settings: Settings, file: Path) -> int:
    """
    Write the database to a file, which appears once it is whole; return the log's last position in it.

    The processes of a running `muster up` go on meanwhile.

    :raises BackupError: there is nothing to back up, or the file is there already, or cannot be written.
    """
    _require_embedded(settings)
    if file.exists():
        raise BackupError(f"{file} is there already: name another file")
    with _database(settings) as url, psycopg.connect(**connect_arguments(url)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        [(snapshot,)] = connection.execute("select pg_export_snapshot()").fetchall()
        position = _head(connection)
        _dump(url, file, settings, snapshot=snapshot)
    return position


def restore(settings: Settings, file: Path, *, fresh: bool) -> int:
    """
    Make the home's data anew from a backup; return the log's last position in it.

    What was there goes only once all of the backup is restored. The read models are filled at the next start.

    :param fresh: replace what the home has.
    :raises BackupError: the home is not empty, or the file is no backup of Muster.
    """
    _require_embedded(settings)
    with _opened(file) as source, locked(settings.home):
        os.umask(UMASK)
        postgres = postgres_of(settings)
        if not fresh and (postgres.directory.exists() or nodes_at(settings.home)):
            raise BackupError(f"{settings.home} is not empty: name another --home, or replace what it has with --fresh")
        unfinished, former = (postgres_of(settings, name=f"postgres.{each}") for each in ("unfinished", "former"))
        unfinished.empty()
        try:
            with unfinished:
                position = _restored(unfinished.url, source, settings)
            empty_redis_at(settings.home)  # what it has was made of another log
            former.empty()
            if postgres.directory.exists():
                postgres.directory.rename(former.directory)
            unfinished.directory.rename(postgres.directory)
            former.empty()  # may take long; a restore that is killed by then is done
        finally:
            unfinished.empty()
    return position


def _require_embedded(settings: Settings) -> None:
    if settings.sources["database_url"] == ENVIRONMENT:
        raise BackupError("MUSTER_DATABASE_URL names your own PostgreSQL: see docs/operations/restoring.md for it")


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """Give the URL of the home's database, whose server is started for it unless `muster up` runs."""
    try:
        with locked(settings.home), postgres_of(settings) as server:
            yield server.url
    except HomeInUse:
        addresses = read_addresses(settings.home)
        if addresses is None:
            raise BackupError(f"something else begins or ends at {settings.home}: try again in a moment") from None
        yield addresses.database_url


def _dump(url: str, file: Path, settings: Settings, *, snapshot: str) -> None:
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        with open(unfinished, "wb", opener=created_with(0o600)) as sink:
            options = ("--format=custom", f"--snapshot={snapshot}")
            with _running("pg_dump", *options, url=url, settings=settings) as (_, dumped):
                _copy(dumped, sink, total=None)
            os.fsync(sink.fileno())
        unfinished.rename(file)
    except OSError as error:
        raise BackupError(f"{file} cannot be written ({error.strerror})") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _restored(url: str, source: IO[bytes], settings: Settings) -> int:
    """Fill an empty database; return the log's last position."""
    with _running("pg_restore", "--exit-on-error", "--dbname=muster", url=url, settings=settings) as (taken, _):
        _copy(source, taken, total=os.fstat(source.fileno()).st_size)
    with psycopg.connect(**connect_arguments(url), autocommit=True) as connection:
        [(event_log,)] = connection.execute("select to_regclass('event_log')").fetchall()
        if event_log is None:
            raise BackupError(f"{source.name} is no backup of Muster: it has no event log")
        connection.execute("analyze")  # a backup has no statistics
        return _head(connection)


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise BackupError(f"{file} cannot be read ({error.strerror})") from error


@contextmanager
def _running(program: str, *options: str, url: str, settings: Settings) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """
    Give stdin and stdout of one of PostgreSQL's programs, which ends with this process.

    :raises BackupError: it fails; in its own words.
    """
    command = [str(postgres_binaries(settings.postgres_bin) / program), *AS_ANYONE, *options]
    named = conninfo_to_dict(url)
    login = {variable: str(named[part]) for variable, part in LOGIN.items()}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            ending_with_parent(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={"PATH": os.defpath, "LC_ALL": "C", **login},
        )
        with suppress(BrokenPipeError), process:  # one that ends early says why
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
            yield process.stdin, process.stdout
        if process.returncode != 0:
            said.seek(0)
            raise BackupError(f"{program} failed: {said.read().decode(errors='replace').strip()}")


def _copy(source: IO[bytes], sink: IO[bytes], *, total: int | None) -> None:
    with Progress(sys.stderr).begin("byte", total=total) as progress:
        done = 0
        while chunk := source.read(CHUNK):
            sink.write(chunk)
            progress.show(done := done + len(chunk))


def _head(connection: psycopg.Connection) -> int:
    [(position,)] = connection.execute("select coalesce(max(position), 0) from event_log").fetchall()
    return int(position)
