"""The environment of the baselines."""

from pathlib import Path

from tests.support.locked_venv import ROOT, python_with

BASELINES = ROOT / "tests/benchmarks/baselines"


def python_of_baselines() -> Path:
    """Return their interpreter; make or mend their environment first."""
    return python_with(BASELINES / "requirements.lock", venv=ROOT / ".bench-venv")
