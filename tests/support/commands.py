"""
Commands of `muster` as an operator carries them out, each in a process of its own.

Most of what a short command costs is the import of its modules. So these processes are forked from one that has them
already; where the start itself is to be tried, `muster_program` starts the program.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.cli.main import main
from tests.support.patience import SECONDS
from tests.support.stack import MUSTER, environment

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        __name__,
        "shared.cli.access",
        "shared.cli.program",
        "shared.dev_stack.cli",
        "shared.dev_stack.doctor",
        "shared.dev_stack.up",
        "projector.cli.erase",
        "projector.cli.erasure_audit",
        "projector.cli.own_projector",
        "projector.cli.parked",
        "projector.cli.project",
        "projector.cli.rebuild",
        "projector.cli.status",
        "projector.cli.verify",
        "read_side.cli.browse",
        "read_side.cli.read",
        "read_side.cli.watch",
        "shared.client.seeding",
        "write_side.adapters.postgres.migrate",
        "write_side.cli.posting",
        "write_side.cli.processes",
        "write_side.cli.run",
        "write_side.cli.webhooks",
    ]
)


def muster(home: Path | str, *arguments: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[str]:
    """Carry a command out for this home; `variables` are its settings."""
    environ = environment(MUSTER_HOME=str(home), **variables)
    with tempfile.TemporaryDirectory(prefix="muster-streams-") as directory:
        streams = [Path(directory, name) for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin)
        process = _FORKS.Process(target=_carry_out, args=(arguments, environ, streams))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"muster {' '.join(arguments)} does not end")
        said, told = (path.read_text() for path in streams[1:])
    return subprocess.CompletedProcess(arguments, process.exitcode, said, told)


def _carry_out(arguments: Sequence[str], environ: Mapping[str, str], streams: Sequence[Path]) -> None:
    for stream, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it is open as long as the process is there
    os.environ.clear()
    os.environ.update(environ)
    os.chdir("/")
    sys.argv = ["muster", *arguments]
    main()


def muster_program(
    home: Path | str, *arguments: str, encoding: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Likewise, from the program's start on."""
    return subprocess.run(
        [*MUSTER, *arguments],
        env=environment(MUSTER_HOME=str(home), **variables),
        capture_output=True,
        text=True,
        encoding=encoding,
        check=False,
        timeout=SECONDS,
        cwd="/",
    )
