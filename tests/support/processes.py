"""Processes of this machine: which there are, and stopping and ending them."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.patience import SECONDS


def running_processes() -> list[tuple[int, int, str]]:
    """Id, parent and command line of all that run; those that only wait to be reaped run no more."""
    return [row for each in Path("/proc").glob("[0-9]*") if (row := _running(each))]


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    found = {pid}
    rows = running_processes()
    while children := {each for each, parent, _ in rows if parent in found} - found:
        found |= children
    return found


@contextmanager
def frozen(pids: set[int]) -> Iterator[None]:
    """Stop processes, as a hung disk or a sleeping machine would, and let them go on; the kernel takes connections."""
    try:
        _send(signal.SIGSTOP, pids)
        while not all(_state(pid) in "TZX" for pid in pids):
            time.sleep(0.001)  # a signal takes effect when the kernel comes by
        yield
    finally:
        _send(signal.SIGCONT, pids)


def kill(pids: Iterable[int]) -> None:
    """End processes as a crash would."""
    _send(signal.SIGKILL, pids)


def require_gone(pids: set[int]) -> None:
    """What was killed along with its parent may take a moment."""
    deadline = time.monotonic() + SECONDS
    while left := [row for row in running_processes() if row[0] in pids]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)  # what could notify was their parent


def _send(wanted: signal.Signals, pids: Iterable[int]) -> None:
    for pid in sorted(pids):
        with suppress(ProcessLookupError):  # a session of PostgreSQL may have ended meanwhile
            os.kill(pid, wanted)


def _state(pid: int) -> str:
    """One letter, as in proc(5); X if there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _running(process: Path) -> tuple[int, int, str] | None:
    """What `proc(5)` tells of one process; it may end meanwhile. Its name, in brackets, may hold anything."""
    with suppress(FileNotFoundError, ProcessLookupError):
        state, parent, *_ = (process / "stat").read_bytes().rpartition(b")")[2].split()
        if state != b"Z":
            called = (process / "cmdline").read_bytes() + (process / "comm").read_bytes()
            return int(process.name), int(parent), os.fsdecode(called).replace("\0", " ")
    return None
