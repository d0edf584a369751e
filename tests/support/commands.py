"""Commands of `muster` as an operator carries them out, each in a process of its own."""

import subprocess
import tempfile
from pathlib import Path

from tests.support.forks import Fork, call_muster
from tests.support.patience import SECONDS
from tests.support.stack import MUSTER, environment


def muster(
    home: Path | str, *arguments: str, stdin: bytes = b"", terminal: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """
    Carry a command out for this home.

    :param terminal: read in place of what stdin holds.
    :param variables: settings.
    """
    environ = environment(MUSTER_HOME=str(home), **variables)
    with tempfile.TemporaryDirectory(prefix="muster-streams-") as directory:
        streams = [Path(directory, name) for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin)
        streams[0] = terminal or streams[0]
        process = Fork(call_muster, *arguments, streams=streams, **environ)
        try:
            status = process.wait()
        finally:
            process.kill()
        said, told = (path.read_text() for path in streams[1:])
    return subprocess.CompletedProcess(arguments, status, said, told)


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
