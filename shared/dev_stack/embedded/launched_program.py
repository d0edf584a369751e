"""A program that runs as one process, which ends with this one, and writes to a log."""

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.cli.exit_codes import CommandFailed
from shared.private_files import make_private_directory
from shared.runtime.exit_with_parent import ending_with_parent

STOP_SECONDS = 20.0


class ServerError(CommandFailed):
    """A program cannot be started; the text says why and what to do."""


class LaunchedProgram(ABC):
    """A program that can be started, stopped and started again."""

    name: str
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return the latest process; it has the program's own id."""
        if self._process is None:
            raise ServerError(f"{self.name} was not started")
        return self._process

    @abstractmethod
    def relaunch(self) -> None:
        """Start a process in place of the one that ended."""

    def stop(self) -> None:
        """Stop the process in an orderly way and wait for its end; harmless if it does not run."""
        if self._process is not None:
            stop_process(self._process, self.stop_signal)

    def _launch(self, command: Sequence[str], *, account: tuple[int, int] | None = None, **options: Any) -> None:
        make_private_directory(self.log.parent)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ending_with_parent(command, account=account),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor alone
                **options,
            )


def stop_process(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    """Ask a process to end, and kill it if it does not."""
    process.send_signal(stop_signal)  # does nothing once it has ended
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
