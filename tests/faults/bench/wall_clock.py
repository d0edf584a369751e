"""Wall clocks of their own for processes that tests start, to be set at any moment; the machine's is left alone."""

import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.redis import EmbeddedRedis

SOURCE = Path(__file__).with_suffix(".c")
OFFSET = struct.Struct("=q")


class WallClock:
    """
    The clock of the processes that are started with `environment`, and of all that they start.

    :param directory: of clocks; it is opened to all accounts, since each server has its own.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._library, self._file = directory / "wall_clock.so", directory / name
        if not self._library.exists():
            compiler = ("cc", "-O2", "-shared", "-fPIC")
            subprocess.run([*compiler, "-o", self._library, SOURCE, "-ldl"], check=True, capture_output=True)
        self._file.write_bytes(OFFSET.pack(0))
        for each in (directory, self._library, self._file):
            each.chmod(0o755)  # whatever umask we run under

    @property
    def environment(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self._library), "WALL_CLOCK_FILE": str(self._file)}

    def set(self, *, ahead: int) -> None:
        """Have it told so many seconds more than it is, or fewer."""
        with self._file.open("r+b") as file:  # in place: it is mapped
            file.write(OFFSET.pack(ahead))


class _OnItsOwnClock:
    """Goes before a server in the bases of a class, and gives it what it finds in `clock`."""

    clock: Mapping[str, str]

    def _environment(self) -> Mapping[str, str]:
        return {**super()._environment(), **self.clock}


class ClockedPostgres(_OnItsOwnClock, EmbeddedPostgres):
    pass


class ClockedRedis(_OnItsOwnClock, EmbeddedRedis):
    pass


@cache
def can_set_clocks() -> bool:
    """Whether this machine lets us give a process a clock of its own: it has a C compiler, and its linker preloads."""
    asked = [sys.executable, "-c", "import time; print(time.time())"]
    with tempfile.TemporaryDirectory() as directory:
        try:
            clock = WallClock(Path(directory), "tried")
            clock.set(ahead=-1_000_000_000)
            told = subprocess.run(asked, env=clock.environment, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return False
    return float(told.stdout) < 1_000_000_000
