"""Programs that run beside Muster have a venv and locks of their own: none of their packages is among Muster's."""

import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def python_with(*locks: Path, venv: Path) -> Path:
    """
    Return the interpreter of a venv with all that is locked; make or mend it first.

    :param locks: installed in this order: what builds a package that has no wheel stands in an earlier one.
    """
    stamp, wanted = venv / "installed", hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        sys.stderr.write(f"installing {locks[-1].relative_to(ROOT)} into {venv}; this happens once\n")
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", venv], check=True)
        for lock in locks:
            _install(lock, venv / "bin" / "python")
        stamp.write_text(wanted)
    return venv / "bin" / "python"


def _install(lock: Path, python: Path) -> None:
    """With uv where there is one; else with the pip of this environment, as ensurepip may be missing."""
    if uv := shutil.which("uv"):
        installer: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        installer = [*_pip(), "--python", python, "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    # Without a build environment, whose packages no lock would pin.
    subprocess.run([*installer, "--no-build-isolation", "--require-hashes", "-r", lock], check=True)


def _pip() -> list[str]:
    """Find a pip: of this environment, or of the Python that it was made by."""
    for python in (sys.executable, Path(sys.base_prefix) / "bin" / "python3"):
        if subprocess.run([python, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0:
            return [str(python), "-m", "pip"]
    sys.exit("these packages take pip or uv to be installed: install one of them for this Python")
