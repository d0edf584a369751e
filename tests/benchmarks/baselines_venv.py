"""The environment of the baselines: a venv and a lock of their own, so that nothing of theirs is among Muster's."""

import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASELINES = ROOT / "tests/benchmarks/baselines"
VENV = ROOT / ".bench-venv"
_LOCK = BASELINES / "requirements.lock"


@cache
def python_of_baselines() -> Path:
    """Return the interpreter of the baselines; make or mend their environment first."""
    stamp, wanted = VENV / "installed", hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing the baselines into {VENV}; this happens once", file=sys.stderr, flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        _install()
        stamp.write_text(wanted)
    return VENV / "bin" / "python"


def _install() -> None:
    """With uv where there is one; else with the pip of this environment, as ensurepip may be missing."""
    python = str(VENV / "bin" / "python")
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", VENV], check=True)
    if uv := shutil.which("uv"):
        installer = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        installer = [*_pip(), "--python", python, "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*installer, "--require-hashes", "-r", _LOCK], check=True)


def _pip() -> list[str]:
    """Find a pip: of this environment, or of the Python that it was made by."""
    for python in (sys.executable, Path(sys.base_prefix) / "bin" / "python3"):
        if subprocess.run([python, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0:
            return [str(python), "-m", "pip"]
    sys.exit("the baselines need pip or uv to be installed: install one of them for this Python")
