"""Check every precondition for `muster doctor`, with the hint where one does not hold."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import redis
from alembic.config import Config
from alembic.script import ScriptDirectory

from shared.auth.bearer import is_near
from shared.auth.signing_keys import MAKE_ONE, KeyDirectory, KeysUnusable
from shared.cli.extras import ExtraMissing
from shared.dev_stack.programs import (
    ProgramMissingError,
    postgres_binaries,
    postgres_major,
    unprivileged_user,
    valkey_binary,
)
from shared.errors import Unsound
from shared.event_log import preconditions
from shared.http_clients import http_client
from shared.postgres.arguments import connect_arguments
from shared.postgres.session import BEGIN_SESSION, findings, require_primary
from shared.private_files import OTHERS
from shared.redis.client import RedisTimeouts, connect_blocking
from shared.server.serving import PortTakenError, require_free
from shared.settings import Settings, masked
from shared.wording import counted

OK, FAILED, WARNING = "✓", "✗", "!"
MEANINGS = {OK: "ok", FAILED: "failed", WARNING: "warning"}
"""How programs read the marks."""

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 15
OLDEST_REDIS = (7, 0)
CONNECT_SECONDS = 3
MIGRATIONS = "write_side:adapters/postgres/migrations"
"""Found by name, as the command line finds its commands: nothing shared imports the write side."""


class Check(NamedTuple):
    """One precondition: whether it holds, what was looked at, and what to do if it does not."""

    mark: str
    what: str
    hint: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """Check everything, one precondition at a time; change nothing."""
    yield _check(sys.version_info >= OLDEST_PYTHON, f"Python {sys.version.split()[0]}", "3.11 or newer is needed")
    yield from _state_directory(settings.home)
    yield from _ports(settings)
    yield _access(settings)
    yield from _programs(settings)
    yield from _postgres(settings.database_url)
    yield from _redis(settings.redis_url)


def _check(holds: bool, what: str, hint: str, *, otherwise: str = FAILED) -> Check:  # noqa: FBT001 - it is the answer
    return Check(OK, what) if holds else Check(otherwise, what, hint)


def _state_directory(path: Path) -> Iterator[Check]:
    nearest = next(each for each in (path, *path.parents) if each.exists())
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    yield _check(writable, f"state directory {path} is writable", "choose another with --home or MUSTER_HOME")
    if path.is_dir():
        closed = not path.stat().st_mode & OTHERS
        hint = f"other accounts may look into it: `muster up` closes it, or chmod -R go= {path}"
        yield _check(closed, "it is closed to other accounts", hint, otherwise=WARNING)


def _access(settings: Settings) -> Check:
    if settings.auth == "off":
        return Check(WARNING, "MUSTER_AUTH is off", "everyone who reaches a port may do everything")
    directory = KeyDirectory(settings.key_directory)
    try:
        keys = len(directory.read().keys)
    except KeysUnusable as error:
        return Check(FAILED, f"keys in {directory.path}", str(error))
    known = f"{counted(keys, 'key')} in {directory.path}" + (f", and {settings.issuer}" if settings.issuer else "")
    holds = bool(keys or settings.issuer)
    return _check(holds, f"tokens are verified by {known}", f"`muster up` makes one, or {MAKE_ONE}", otherwise=WARNING)


def _ports(settings: Settings) -> Iterator[Check]:
    """Check the APIs of this home's `muster up`, or of the environment; where none is named, that its port is free."""
    for name in ("write", "read", "ops"):
        url, port = getattr(settings, f"{name}_url"), getattr(settings, f"{name}_port")
        if url is not None:
            yield _api(settings, name, url)
        else:
            yield _port(settings, getattr(settings, f"{name}_host"), port, variable=f"MUSTER_{name.upper()}_PORT")


def _api(settings: Settings, name: str, url: str) -> Check:
    hint = f"start `muster up` or `muster {'project' if name == 'ops' else name}`, or mend MUSTER_{name.upper()}_URL"
    return _check(_is_live(settings, url), f"{name} API answers at {masked(url)}", hint)


def _port(settings: Settings, host: str, port: int, *, variable: str) -> Check:
    try:
        require_free(host, port, patience=0)
    except PortTakenError:
        hint = f"stop what listens there, or choose another with {variable}"
        return _check(_is_live(settings, f"http://127.0.0.1:{port}"), f"port {port} is free, or ours", hint)
    return Check(OK, f"port {port} is free")


def _is_live(settings: Settings, url: str) -> bool:
    """Tell whether an API of ours answers there."""
    try:
        with http_client(httpx.Client, url, direct=is_near(settings, url), timeout=CONNECT_SECONDS) as client:
            answer = client.get("/livez")
    except httpx.HTTPError:
        return False
    return answer.is_success and "Request-Id" in answer.headers


def _programs(settings: Settings) -> Iterator[Check]:
    """Check the programs of the embedded servers, which run only where no URL names a server."""
    if settings.sources["database_url"] == "default":
        yield _postgres_programs(settings)
    if settings.sources["redis_url"] == "default":
        yield _redis_program(settings)


def _postgres_programs(settings: Settings) -> Check:
    try:
        account = unprivileged_user()
        binaries = postgres_binaries(settings.postgres_bin)
        major = postgres_major(binaries)
    except (ExtraMissing, ProgramMissingError) as error:
        return Check(FAILED, "programs of PostgreSQL", str(error))
    runs_as = "" if account is None else f", to run as uid {account.uid}"
    return Check(OK, f"programs of PostgreSQL {major} in {binaries}{runs_as}")


def _redis_program(settings: Settings) -> Check:
    try:
        return Check(OK, f"program of Redis: {valkey_binary(settings.redis_bin)}")
    except (ExtraMissing, ProgramMissingError) as error:
        return Check(FAILED, "program of Redis", str(error))


def _postgres(url: str | None) -> Iterator[Check]:
    if url is None:
        yield Check(WARNING, "PostgreSQL", "none runs yet: `muster up` starts one, or set MUSTER_DATABASE_URL")
        return
    try:
        arguments = {**connect_arguments(url), "connect_timeout": CONNECT_SECONDS}
        with psycopg.connect(autocommit=True, **arguments) as connection:
            yield Check(OK, f"PostgreSQL answers at {masked(url)}")
            yield from _session(connection, url)
            yield from _postgres_settings(connection)
            yield from _event_log(connection)
    except psycopg.Error as error:
        yield Check(FAILED, f"PostgreSQL at {masked(url)}", _why_not(url, error))


def _why_not(url: str, error: psycopg.Error) -> str:
    try:
        require_primary(url)
    except Unsound as unsound:
        return str(unsound)
    return f"{' '.join(str(error).split())}; start it, or mend MUSTER_DATABASE_URL"


def _session(connection: psycopg.Connection, url: str) -> Iterator[Check]:
    hint = "Muster's own sessions set it; other clients of this database may lose what was acknowledged"
    level = _value(connection, "select current_setting('synchronous_commit')")
    yield _check(level not in {"off", "local"}, f"synchronous_commit is {level}", hint, otherwise=WARNING)
    answer = connection.execute(BEGIN_SESSION).fetchone()
    found = findings(answer or (), connection.info.backend_pid, url)
    yield from (_check(each.holds, each.name, each.hint) for each in found)


def _postgres_settings(connection: psycopg.Connection) -> Iterator[Check]:
    version = connection.info.server_version // 10_000
    yield _check(version >= OLDEST_POSTGRES, f"PostgreSQL is {version}", f"{OLDEST_POSTGRES} or newer is needed")


def _event_log(connection: psycopg.Connection) -> Iterator[Check]:
    if _value(connection, "select to_regclass('event_log')") is None:
        yield Check(FAILED, "the tables are there", "run `muster migrate`")
        return
    pending = pending_migrations(connection)
    yield _check(not pending, "migrations are current", f"run `muster migrate` for {', '.join(pending)}")
    row = connection.execute(preconditions.PRECONDITIONS).fetchone()
    yield from (_check(each.holds, each.name, each.hint) for each in preconditions.findings(row or ()))


def pending_migrations(connection: psycopg.Connection) -> Sequence[str]:
    """Return the revisions that `muster migrate` would apply, the next one first."""
    configuration = Config()
    configuration.set_main_option("script_location", MIGRATIONS)
    scripts = ScriptDirectory.from_config(configuration)
    applied = tuple(revision for (revision,) in connection.execute("select version_num from alembic_version"))
    missing = scripts.iterate_revisions("heads", applied or "base")
    return [script.revision for script in missing][::-1]


def _redis(url: str | None) -> Iterator[Check]:
    if url is None:
        yield Check(WARNING, "Redis", "none runs yet: `muster up` starts one, or set MUSTER_REDIS_URL")
        return
    try:
        with connect_blocking(url, timeouts=RedisTimeouts(connect=CONNECT_SECONDS)) as client:
            information: Any = client.info()
            yield Check(OK, f"Redis answers at {masked(url)}")
            yield from _redis_information(information)
            yield from _redis_settings(client)
    except redis.RedisError as error:
        yield Check(FAILED, f"Redis at {masked(url)}", f"{error}; start it, or mend MUSTER_REDIS_URL")


def _redis_information(information: dict[str, Any]) -> Iterator[Check]:
    version = str(information["redis_version"])
    recent = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_REDIS
    yield _check(recent, f"Redis speaks {version}", "7.0 or newer is needed")
    single = not information.get("cluster_enabled")
    yield _check(single, "Redis is no cluster", "this release works with one Redis: name a single server")


def _redis_settings(client: "redis.Redis") -> Iterator[Check]:
    try:
        settings: Any = client.config_get("maxmemory-policy", "appendonly")
    except redis.ResponseError as error:
        yield Check(WARNING, "Redis's settings", f"they cannot be read ({error}): make sure it never evicts")
        return
    policy = settings["maxmemory-policy"]
    hint = "records would vanish one by one: config set maxmemory-policy noeviction"
    yield _check(policy == "noeviction", f"maxmemory-policy is {policy}", hint)
    hint = "after a restart every record has to be projected anew: config set appendonly yes"
    yield _check(settings["appendonly"] == "yes", f"appendonly is {settings['appendonly']}", hint, otherwise=WARNING)


def _value(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
