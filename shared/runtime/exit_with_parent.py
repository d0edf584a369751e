"""
Processes that end with the one that started them, even when that one is killed with -9.

As a program, `python exit_with_parent.py PARENT ACCOUNT NICENESS COMMAND…` binds itself to PARENT, becomes the numeric
user:group ACCOUNT unless that is `-`, lets others go before it by NICENESS, and turns into COMMAND. A program of its
own, because nothing of Python may run between fork and exec in a process that has threads; standard library only,
because it runs in front of every server.
"""

import ctypes
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1

_ATTEMPTS = 20
"""At having a session be nice, before it is left as it is."""


def ending_with_parent(
    command: Sequence[str], *, account: tuple[int, int] | None = None, niceness: int = 0
) -> list[str]:
    """
    Return the command line that runs `command` until the calling process ends, as `account` (uid, gid) if given.

    :param niceness: how much less of a busy processor it gets than the calling process, see nice(2).

    The kernel watches the thread that starts it: start it from one that lives as long as the process does.
    """
    who = "-" if account is None else f"{account[0]}:{account[1]}"
    return [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), who, str(niceness), *command]


def exit_with_parent(parent: int) -> None:
    """Arrange that the calling process is killed as soon as its parent, whose process id this is, has died."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _end_if_orphaned(parent)  # it may have died before the kernel was asked
    else:
        threading.Thread(target=_poll_parent, args=(parent,), daemon=True, name="exit-with-parent").start()


def _end_if_orphaned(parent: int) -> None:
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _poll_parent(parent: int) -> None:
    while True:
        _end_if_orphaned(parent)
        time.sleep(0.5)


def let_others_go_first(niceness: int) -> None:
    """
    Leave a busy processor to others, see nice(2).

    Linux shares processors out among sessions first, and a process is nice to those of its own (autogroups, see
    sched(7)). So one that leads a session has all of that be nice to the others.
    """
    os.nice(niceness)
    group = Path("/proc/self/autogroup")
    if os.getsid(0) == os.getpid() and group.exists():
        for _ in range(_ATTEMPTS):
            try:
                group.write_text(str(niceness))
            except BlockingIOError:  # to whom is not root, the kernel allows one a tenth of a second, of all there are
                time.sleep(random.uniform(0.1, 0.2))  # noqa: S311 - others who wait are to come at other times
            except OSError:  # the system's files are read-only
                return
            else:
                return


def _become(account: str) -> None:
    uid, gid = (int(number) for number in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: Sequence[str]) -> None:
    parent, account, niceness, *command = arguments
    if int(niceness):
        if os.getpgrp() != os.getpid():  # else it leads a session already, or a group of one
            os.setsid()
        let_others_go_first(int(niceness))
    if account != "-":
        _become(account)
    if sys.platform == "linux":  # a thread would not outlive the exec
        exit_with_parent(int(parent))
    os.execvp(command[0], command)  # noqa: S606 - to become the program, with no shell between, is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
