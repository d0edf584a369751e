"""PostgreSQL from its wheel (or the system), for `muster up` and the tests."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.dev_stack.embedded.launched_program import ServerError
from shared.dev_stack.embedded.programs import (
    ProgramMissingError,
    SystemUser,
    postgres_binaries,
    postgres_major,
    reachable_binaries,
    unprivileged_user,
)
from shared.dev_stack.embedded.server import EmbeddedServer, ServerState
from shared.private_files import write_private
from shared.runtime.exit_with_parent import ending_with_parent

OWNER = "muster"
"""The superuser's name, and the database's."""

BUILTIN_LOCALE_SINCE = 17


class EmbeddedPostgres(EmbeddedServer):
    """
    A PostgreSQL with one empty database, `muster`.

    :param durable: False trades the data's survival of a power cut for speed, for tests; a kill -9 it survives.
    :param options: server settings beside or instead of ours.
    :param binaries: the directory of its programs, instead of the first that is found.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": sessions are ended, nothing is lost

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        log: Path | None = None,
        durable: bool = True,
        options: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        super().__init__(directory, port=port, log=log)
        self._options = {**_SETTINGS, **({} if durable else _FAST), **(options or {})}
        self._durable = durable
        self._named_binaries = binaries
        self._runs_as = unprivileged_user()
        self._cluster_file: int | None = None

    @property
    def url(self) -> str:
        password = (self._cluster / "password").read_text()
        return f"postgresql://{OWNER}:{password}@127.0.0.1:{self.port}/{OWNER}"

    @property
    def data(self) -> Path:
        return self._cluster / "data"

    def stop(self) -> None:
        super().stop()
        if self._cluster_file is not None:
            os.close(self._cluster_file)
            self._cluster_file = None

    @property
    def _cluster(self) -> Path:
        """Return the directory of the user that PostgreSQL runs as, with the data and the password."""
        return self.directory / "cluster"

    @property
    def _binaries(self) -> Path:
        try:
            return reachable_binaries(postgres_binaries(self._named_binaries), self._runs_as)
        except ProgramMissingError as error:
            raise ServerError(str(error)) from error

    def _make(self) -> None:
        self._cluster.mkdir(mode=0o700, exist_ok=True)
        if self._runs_as is not None:
            os.chown(self._cluster, *self._runs_as)
        if self._cluster_file is None and sys.platform == "linux":
            self._cluster_file = os.open(self._cluster, os.O_RDONLY | os.O_DIRECTORY)
        if self.data.exists():
            self._require_same_major()
            self._forget_killed_process()
        else:
            self._make_data()

    def _make_data(self) -> None:
        """Make the data under another name first, so that a run that was cut short leaves nothing that looks whole."""
        unfinished = self._cluster / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write_password()
        self._run(
            "initdb",
            *("--pgdata", self._reachable(unfinished), "--pwfile", self._reachable(self._cluster / "password")),
            *("--username", OWNER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-instructions"),
            *self._locale(),
            *([] if self._durable else ["--no-sync"]),
        )
        self._run(
            "postgres", "--single", "-D", self._reachable(unfinished), "postgres", stdin=f"create database {OWNER}\n"
        )
        unfinished.rename(self.data)

    def _write_password(self) -> None:
        path = self._cluster / "password"
        write_private(path, secrets.token_urlsafe(24))
        if self._runs_as is not None:
            os.chown(path, *self._runs_as)

    def _locale(self) -> Sequence[str]:
        if postgres_major(self._binaries) >= BUILTIN_LOCALE_SINCE:
            return ("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
        return ("--locale", "C")

    def _require_same_major(self) -> None:
        made_by, ours = int((self.data / "PG_VERSION").read_text()), postgres_major(self._binaries)
        if made_by != ours:
            raise ServerError(
                f"{self.data} was made by PostgreSQL {made_by}, and this is {ours}: name the programs of {made_by} in "
                "MUSTER_POSTGRES_BIN, or empty the data with `muster up --fresh`"
            )

    def _forget_killed_process(self) -> None:
        """
        Remove the file of a postmaster that was killed.

        PostgreSQL refuses to start while that process id exists, and a killed process whose parent was killed too
        exists until it is reaped, which process 1 of a container may never do. It is safe here: this process holds the
        directory's lock, and no server process runs in it.
        """
        if sys.platform == "linux":
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _command(self) -> Sequence[str]:
        settings = {**self._options, "port": str(self.port)}
        flags = [flag for key, value in settings.items() for flag in ("-c", f"{key}={value}")]
        return [str(self._binaries / "postgres"), "-D", self._reachable(self.data), *flags]

    def _state(self) -> ServerState:
        """Read the process' own file: line 1 is its id, line 8 its state."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return ServerState.SILENT
        if len(lines) < 8 or lines[0] != str(self.pid):  # noqa: PLR2004 - line 8 is the last
            return ServerState.SILENT
        return _STATES.get(lines[7].strip(), ServerState.SILENT)

    def _account(self) -> SystemUser | None:
        return self._runs_as

    def _inherited(self) -> Sequence[int]:
        return () if self._cluster_file is None else (self._cluster_file,)

    def _reachable(self, path: Path) -> str:
        """
        Return a path below the cluster as PostgreSQL can reach it.

        Another account may not be able to enter the state directory (/root is 0700), and its modes are not ours to
        change; nor does PostgreSQL take a path of 1,024 bytes. A directory that was opened for it can be entered.
        """
        if self._cluster_file is None:
            return str(path)
        return f"/proc/self/fd/{self._cluster_file}/{path.relative_to(self._cluster)}"

    def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        command = ending_with_parent([str(self._binaries / program), *arguments], account=self._runs_as)
        result = subprocess.run(
            command,
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            cwd="/",
            env=self._environment(),
            pass_fds=self._inherited(),
        )
        if result.returncode != 0:
            raise ServerError(f"{program} failed: {result.stderr.strip() or result.stdout.strip()}")


_STATES = {"starting": ServerState.READING, "ready": ServerState.READY}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "synchronous_commit": "on",
    # The details of an error quote values: an e-mail address that is taken would stand in the log.
    "log_error_verbosity": "terse",
}
_FAST = {"fsync": "off", "full_page_writes": "off"}
