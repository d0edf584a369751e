"""Check every precondition for `muster doctor`, with the hint where one does not hold."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import httpx

from shared.auth.bearer import is_near
from shared.auth.signing_keys import MAKE_ONE, KeyDirectory, KeysUnusable
from shared.cli.extras import ExtraMissing
from shared.dev_stack.doctor.checks import CONNECT_SECONDS, FAILED, OK, WARNING, Check, check
from shared.dev_stack.embedded.programs import (
    ProgramMissingError,
    postgres_binaries,
    postgres_major,
    unprivileged_user,
    valkey_binary,
)
from shared.http_clients import http_client
from shared.private_files import OTHERS
from shared.server.ports import PortTakenError, require_free
from shared.settings import Settings, masked
from shared.wording import counted

OLDEST_PYTHON = (3, 11)
TRANSACTION_LIMITS = "write_side.adapters.postgres.connections.transactions:TransactionLimits"
"""Found by name, as `muster config` finds limits: nothing shared imports the write side."""


def examine(settings: Settings) -> Iterator[Check]:
    """Check everything, one precondition at a time; change nothing."""
    yield check(sys.version_info >= OLDEST_PYTHON, f"Python {sys.version.split()[0]}", "3.11 or newer is needed")
    yield from _state_directory(settings.home)
    yield from _ports(settings)
    yield _workers(settings.workers)
    yield _access(settings)
    yield from _programs(settings)
    yield from _postgres(settings)
    yield from _redis(settings)


def _workers(workers: int) -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    what = f"{counted(workers, 'worker')} for each API on {counted(cores, 'core')}"
    return check(workers <= cores, what, "each keeps one core busy: lower MUSTER_WORKERS", otherwise=WARNING)


def _postgres(settings: Settings) -> Iterator[Check]:
    url = settings.database_url
    if url is None:
        yield Check(WARNING, "PostgreSQL", "none runs yet: `muster up` starts one, or set MUSTER_DATABASE_URL")
        return
    from shared.dev_stack.doctor.postgres import examine_postgres, examine_standby  # noqa: PLC0415 - after all that takes no driver

    yield from examine_postgres(url, sessions=_sessions(settings))
    if settings.log_standby_url is not None:
        yield from examine_standby(settings.log_standby_url)


def _sessions(settings: Settings) -> int:
    """Count the sessions that the write API opens with PostgreSQL at most."""
    limits = settings.limits_of(resolve_name(TRANSACTION_LIMITS))
    of_a_worker: int = limits.connections + limits.lanes + 1  # which notifies
    return settings.workers * of_a_worker


def _redis(settings: Settings) -> Iterator[Check]:
    if settings.redis_url is None:
        yield Check(WARNING, "Redis", "none runs yet: `muster up` starts one, or set MUSTER_REDIS_URL")
    if settings.redis_url or settings.bus_url:
        from shared.dev_stack.doctor.redis import examine_servers  # noqa: PLC0415 - likewise

        yield from examine_servers(settings)


def _state_directory(path: Path) -> Iterator[Check]:
    nearest = next(each for each in (path, *path.parents) if each.exists())
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    yield check(writable, f"state directory {path} is writable", "choose another with --home or MUSTER_HOME")
    if path.is_dir():
        closed = not path.stat().st_mode & OTHERS
        hint = f"other accounts may look into it: `muster up` closes it, or chmod -R go= {path}"
        yield check(closed, "it is closed to other accounts", hint, otherwise=WARNING)


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
    return check(holds, f"tokens are verified by {known}", f"`muster up` makes one, or {MAKE_ONE}", otherwise=WARNING)


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
    return check(_is_live(settings, url), f"{name} API answers at {masked(url)}", hint)


def _port(settings: Settings, host: str, port: int, *, variable: str) -> Check:
    try:
        require_free(host, port, patience=0)
    except PortTakenError:
        hint = f"stop what listens there, or choose another with {variable}"
        return check(_is_live(settings, f"http://127.0.0.1:{port}"), f"port {port} is free, or ours", hint)
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
