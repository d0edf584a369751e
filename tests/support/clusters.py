"""The data of a PostgreSQL as it is before its first start, for servers of tests: made once, and copied."""

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.dev_stack.embedded.postgres import EmbeddedPostgres


def with_data(directory: Path) -> Path:
    """Give the directory of a server what it would make by itself; return the directory."""
    directory.mkdir(mode=0o700, parents=True)
    subprocess.run(["cp", "--archive", f"{_made().name}/cluster", directory], check=True)
    return directory


@cache
def _made() -> TemporaryDirectory[str]:
    directory = TemporaryDirectory(prefix="muster-cluster-")
    server = EmbeddedPostgres(Path(directory.name), durable=False)
    server.prepare()
    server.stop()
    return directory
