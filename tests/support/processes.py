"""Processes of this machine: which there are, and stopping and ending them."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.patience import SECONDS


def parents() -> dict[int, int]:
    """Whose child each is of all that run; those that only wait to be reaped run no more."""
    told = {int(pid): _parent(pid) for pid in os.listdir("/proc") if pid.isdecimal()}  # noqa: PTH208 - as below
    return {pid: parent for pid, parent in told.items() if parent is not None}


def command_line(pid: int) -> str:
    """And the name, which says of a fork what it is; of a process that has ended, nothing."""
    try:
        called = _told(pid, "cmdline") + _told(pid, "comm")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return os.fsdecode(called).replace("\0", " ")


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    found = {pid}
    rows = parents().items()
    while children := {each for each, parent in rows if parent in found} - found:
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
    while left := parents().keys() & pids:
        assert time.monotonic() < deadline, [*map(command_line, left)]
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


def _parent(pid: str) -> int | None:
    """As `proc(5)` tells it; the process may end meanwhile. Its name, in brackets, may hold anything."""
    with suppress(FileNotFoundError, ProcessLookupError):
        state, parent, _ = _told(pid, "stat").rpartition(b")")[2].split(None, 2)
        return None if state == b"Z" else int(parent)
    return None


def _told(pid: int | str, file: str) -> bytes:
    """Not by a `Path`, which takes longer than the kernel: all processes are asked for again and again."""
    with open(f"/proc/{pid}/{file}", "rb", buffering=0) as told:  # noqa: PTH123
        return told.read()
