"""Keep programs running: one that ends is started again, for ever."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from shared.dev_stack.embedded.launched_program import LaunchedProgram, ServerError
from shared.runtime.retry import Backoff, RetryPolicy

RESTARTS = RetryPolicy(first=0.5, longest=5.0)
"""The pauses before a program that keeps ending is started once more; the first restart is at once."""

STEADY_SECONDS = 10.0
"""A program that ran this long begins with the first pause again."""


class MusterProcess(LaunchedProgram):
    """One of Muster's own processes, just as it runs in production: `muster <name> <arguments>`."""

    def __init__(self, name: str, *arguments: str, environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._arguments = arguments
        self.log = log
        self._environ = environ

    def relaunch(self) -> None:
        self._launch([sys.executable, console_script(), self.name, *self._arguments], env=self._environ)


class Supervisor:
    """Restart programs, from the event loop of the main thread."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._child_ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._wake)

    async def keep(self, program: LaunchedProgram) -> None:
        """Start a running program again whenever it ends: at once, then after ever longer pauses."""
        backoff, started, pause = Backoff(RESTARTS), time.monotonic(), 0.0
        while True:
            status = await self.ended(program.process)
            if time.monotonic() - started >= STEADY_SECONDS:
                backoff.reset()
                pause = 0.0
            self._say(f"{program.name} ended with {status} and is started again; see {program.log}")
            await asyncio.sleep(pause)
            pause, started = backoff.next(), time.monotonic()
            self._relaunch(program)

    async def run(self, program: LaunchedProgram) -> int:
        """Run a program to its end, and return its status; it is stopped if this is cancelled."""
        program.relaunch()
        try:
            return await self.ended(program.process)
        finally:
            await asyncio.to_thread(program.stop)

    async def ended(self, process: subprocess.Popen[bytes]) -> int:
        """Return a process's status once it has ended."""
        while (status := process.poll()) is None:
            await self._child_ended.wait()
        return status

    def _relaunch(self, program: LaunchedProgram) -> None:
        try:
            program.relaunch()
        except (ServerError, OSError) as error:  # the next turn of the loop tries again
            self._say(f"{program.name} cannot be started: {error}")

    def _wake(self) -> None:
        self._child_ended.set()
        self._child_ended = asyncio.Event()


def console_script() -> str:
    """Return the installed `muster` of this installation, so that `ps` shows what an operator would have typed."""
    beside = Path(sys.executable).with_name("muster")
    return str(beside if beside.exists() else Path(sys.argv[0]).absolute())
