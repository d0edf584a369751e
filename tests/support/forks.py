"""
Processes that are forked from one that has Muster's modules: their import is most of what a start costs.

Where the start itself is to be tried, a program is started: `muster_program`, and `muster up` with its own.
"""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from shared.cli.commands import COMMANDS
from shared.cli.main import main
from shared.dev_stack.supervisor import MusterProcess
from shared.private_files import make_private_directory
from shared.runtime.exit_with_parent import exit_with_parent
from shared.server.serving import serve
from shared.settings import Settings
from tests.support.patience import SECONDS

NOTHING = Path(os.devnull)
_LATE = (
    "projector.cli.erasure_audit",
    "projector.cli.own_projector",
    "projector.main",
    "read_side.services",
    "shared.cli.program",
    "shared.client.seeding",
    "shared.dev_stack.doctor.examination",
    "shared.dev_stack.up",
    "tests.support.unsafe_apps",
    "write_side.adapters.postgres.migrate",
    "write_side.services",
)
"""What commands and applications of tests load when they are called."""
_CHILDREN = multiprocessing.get_context("fork")
_FORKS = multiprocessing.get_context("forkserver")
PRELOADED = (__name__, *(each.path.partition(":")[0] for each in COMMANDS.values()), *_LATE)
"""The modules that a process has loaded of which others are forked."""
_FORKS.set_forkserver_preload(list(PRELOADED))


class Fork:
    """What a `Popen` is of a program, of a function of ours; it ends with the tests, however they end."""

    def __init__(
        self,
        carry_out: Callable[..., object],
        *arguments: Any,
        streams: Sequence[Path],
        context: BaseContext = _FORKS,
        **environ: str,
    ) -> None:
        """
        :param streams: files for stdin, stdout and stderr.
        :param environ: all variables that it has.
        """
        process: Any = context.Process(target=_begin, args=(carry_out, arguments, streams, environ))  # type: ignore[attr-defined]  # each has one of its own
        process.start()
        self._process, self.pid = process, int(process.pid)

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = SECONDS) -> int:
        self._process.join(timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return status


def _begin(
    carry_out: Callable[..., object], arguments: Sequence[Any], streams: Sequence[Path], environ: Mapping[str, str]
) -> None:
    """Leave behind what the process had that this one is forked from, but for its modules."""
    signal.set_wakeup_fd(-1)
    for number, handler in {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}.items():
        signal.signal(number, handler)
    gc.freeze()  # or searches for garbage would go through all that is there, and copy it
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.setsid()
    multiprocessing.set_start_method("fork", force=True)
    exit_with_parent(os.getppid())
    for stream, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), stream)
    for stream, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        opened = open(stream, mode, closefd=False)  # noqa: SIM115 - it is open as long as the process is there
        vars(sys).update({name: opened, f"__{name}__": opened})
    os.environ.clear()
    os.environ.update(environ)
    os.chdir("/")
    carry_out(*arguments)


def call_muster(*arguments: str) -> None:
    """Be `muster` with these arguments, also by its name in `proc(5)`."""
    with suppress(FileNotFoundError):
        Path("/proc/self/comm").write_text(f"muster {arguments[0]}")
    sys.argv = ["muster", *arguments]
    main()


def call_up(*arguments: str) -> None:
    """Be `muster up`, whose processes are forked from it in their turn."""

    def relaunch(process: MusterProcess) -> None:
        make_private_directory(process.log.parent)
        command, streams = (process.name, *process._arguments), (NOTHING, process.log, process.log)
        process._process = Fork(call_muster, *command, streams=streams, context=_CHILDREN, **process._environ)

    MusterProcess.relaunch = relaunch
    call_muster("up", *arguments)


def serve_application(target: str, port: int) -> None:
    """Serve what `package.module:factory` makes, as Muster serves its own, with settings from the environment."""
    serve(target, Settings.load(os.environ), host="127.0.0.1", port=port, service="test")
