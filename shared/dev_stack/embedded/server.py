"""A server in a directory of its own, on one port, whose process exits with its parent."""

import errno
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import IO, Self

from shared.dev_stack.embedded.launched_program import STOP_SECONDS, LaunchedProgram, ServerError
from shared.dev_stack.embedded.programs import SystemUser
from shared.private_files import close_to_others, make_private_directory
from shared.runtime.retry import wait_until

START_SECONDS = 60.0
"""How long a server may be silent; reading its data and recovering from a crash may take longer."""

LEAST_ROOM = 1024 * 1024
"""Bytes on a disk; with less left, that is why a program ends."""


class ServerState(Enum):
    """The state of a server's start."""

    SILENT = "says nothing"
    READING = "is reading its data"
    READY = "serves clients"


class EmbeddedServer(LaunchedProgram):
    """
    A real server on 127.0.0.1 with its state in a directory of its own.

    It may be started, stopped, killed and started again; its port and its data stay the same. Start it from a thread
    that lives as long as the process does: the kernel ends the server together with that thread.
    """

    def __init__(self, directory: Path, *, port: int | None = None, log: Path | None = None) -> None:
        self.directory = directory.absolute()
        self.port = port or free_port()
        self.log = log or self.directory / "server.log"
        self._lock: IO[str] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Return where clients connect, with the password; known once `prepare` was called."""

    @property
    @abstractmethod
    def data(self) -> Path:
        """Return the directory in which the server process runs."""

    @abstractmethod
    def _make(self) -> None:
        """Make what the server needs before its first start, and check it before every other."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Return the server's command line."""

    @abstractmethod
    def _state(self) -> ServerState:
        """Ask the launched process how far it is."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """
        Return once the server answers; harmless if it runs.

        :raises ServerError: it cannot be started.
        """
        if self.is_running:
            return self
        try:
            self.prepare()
            self.launch()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def prepare(self) -> None:
        """Lock the directory, end what a killed run may have left in it, and make the data if there is none."""
        self._lock_directory()
        end_leftovers(self.data)
        self._make()

    def launch(self) -> None:
        """Start the process, without waiting for it."""
        self._launch(
            self._command(),
            account=self._account(),
            cwd="/",
            env=self._environment(),
            pass_fds=self._inherited(),
        )

    def relaunch(self) -> None:
        self.prepare()
        self.launch()

    def wait_until_ready(self, *, seconds: float = START_SECONDS) -> None:
        """
        Return once the launched process serves clients, however long it reads its data.

        :param seconds: how long it may be silent.
        :raises ServerError: it has ended, or does not get ready.
        """
        while not wait_until(self._is_ready, within=seconds, every=0.01):
            if self._state() is ServerState.SILENT:
                raise ServerError(f"{self.name} was not ready within {seconds:.0f} s; {last_words(self.log)}")

    def _is_ready(self) -> bool:
        """:raises ServerError: it has ended."""
        if self.process.poll() is not None:
            raise ServerError(f"{self.name} ended with {self.process.returncode}; {last_words(self.log)}")
        return self._state() is ServerState.READY

    def stop(self) -> None:
        """Stop the server in an orderly way and unlock the directory; harmless if it does not run."""
        super().stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def empty(self) -> None:
        """Remove all that the server has stored; what a killed run has left running there ends."""
        end_leftovers(self.data)
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def kill(self) -> None:
        """End the server as a crash would; the directory stays locked, and `start` brings it back."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _account(self) -> SystemUser | None:
        return None

    def _environment(self) -> Mapping[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def _inherited(self) -> Sequence[int]:
        """Return the open files that the process inherits."""
        return ()

    def _lock_directory(self) -> None:
        if self._lock is not None:
            return
        make_private_directory(self.directory)
        close_to_others(self.directory, within=())  # also where a link leads to it
        lock = (self.directory / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ServerError(
                f"{self.directory} is in use by another muster: stop that one, or choose another --home"
            ) from None
        self._lock = lock


def room_at(file: Path) -> int:
    """Return how many bytes are left where a file is."""
    there = os.statvfs(file)
    has_names_left = there.f_favail or not there.f_files  # some file systems do not count them
    return there.f_bavail * there.f_frsize if has_names_left else 0


def last_words(log: Path, *, room: Callable[[Path], int] = room_at) -> str:
    """
    Return the end of a program's log, for an error message; what a full disk has not taken is not there.

    :param room: gives the bytes that are left where it is.
    """
    lines = log.read_text(errors="replace").strip().splitlines()
    left = room(log)
    if left < LEAST_ROOM:
        lines.append(f"the disk is full: {left} bytes are left for {log.parent}. Make room, then start again")
    return "\n".join([f"the end of {log}:", *(lines[-8:] or ["nothing was written"])])


def free_port() -> int:
    """
    Return a port of 127.0.0.1 that is free just now.

    It is none of those that systems give to outgoing connections and to who asks for any port: while a program starts
    that is to listen there, these go to others.
    """
    while not is_free(port := secrets.choice(GIVEN_TO_NONE)):
        pass
    return port


GIVEN_TO_NONE = range(12_288, 32_768)
"""The ports that systems give to no connection by themselves."""


def is_free(port: int) -> bool:
    """Tell whether nothing of 127.0.0.1 has a port just now."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def end_leftovers(data: Path) -> None:
    """
    Kill the server processes that run in a data directory whose lock this process holds.

    No other server is among them: a server changes to its data directory, and its parent holds the lock.
    """

    def none_is_left() -> bool:
        for pid in (left := list(_running_in(data))):  # a process that is not reaped yet has no working directory
            _kill(pid)
        return not left

    if not wait_until(none_is_left, within=STOP_SECONDS, every=0.01):
        raise ServerError(f"processes {list(_running_in(data))} of a killed run do not end; they hold {data}")


def _running_in(data: Path) -> Iterator[int]:
    if not data.exists():
        return
    if sys.platform == "linux":
        yield from _with_working_directory(data)
    else:
        yield from _with_argument(data)


def _with_working_directory(data: Path) -> Iterator[int]:
    wanted = data.stat()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            directory = (entry / "cwd").stat()
            program = (entry / "exe").readlink().name
        except OSError:  # it has ended, or belongs to another account
            continue
        is_server = program.startswith(("postgres", "valkey-server", "redis-server"))
        if is_server and (directory.st_dev, directory.st_ino) == (wanted.st_dev, wanted.st_ino):
            yield int(entry.name)


def _with_argument(data: Path) -> Iterator[int]:
    listing = subprocess.run(["ps", "-axwwo", "pid=,args="], check=True, capture_output=True, text=True)  # noqa: S607
    for line in listing.stdout.splitlines():
        pid, _, arguments = line.strip().partition(" ")
        if f"{data.parent}/" in arguments:
            yield int(pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
