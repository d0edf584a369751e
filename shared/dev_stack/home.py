"""The state directory, which one `muster up` has to itself."""

import contextlib
import fcntl
import stat
from collections.abc import Iterator
from pathlib import Path

from shared.cli.exit_codes import CommandFailed
from shared.private_files import created_with, make_private_directory


class HomeError(CommandFailed):
    """The state directory cannot be used; the text says why and what to do."""


class HomeInUse(HomeError):
    """Another process has the state directory to itself."""


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """
    Have a state directory, which is made if it is missing, to oneself.

    :raises HomeError: it belongs to all accounts, or cannot be written.
    :raises HomeInUse: another has it.
    """
    _require_of_its_own(home)
    try:
        make_private_directory(home)
        lock = open(home / "lock", "w", opener=created_with(0o600))  # noqa: SIM115 - entered below
    except OSError as error:
        raise HomeError(f"{home} cannot be written ({error.strerror}): choose another with --home") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeInUse(f"another `muster up` runs at {home}: stop it, or choose another --home") from None
        yield


def _require_of_its_own(home: Path) -> None:
    """:raises HomeError: it is a directory that cannot be closed to other accounts, such as /tmp."""
    with contextlib.suppress(OSError):
        if home.samefile("/") or home.stat().st_mode & stat.S_ISVTX:
            raise HomeError(f"{home} is shared by all accounts: name a directory of Muster's own with --home")
