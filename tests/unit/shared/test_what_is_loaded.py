"""What a command loads of the libraries that we use: no more than it needs, whatever variables say."""

import json
import os
import subprocess
import sys

import pytest

from tests.hostile.variables import LIBRARIES

FORGOTTEN = ("LITESTAR_DEBUG", "LITESTAR_PDB", "PROMETHEUS_MULTIPROC_DIR", "PSYCOPG_IMPL", "OTEL_PYTHON_CONTEXT")
PROGRAM = """
import json, os, sys
from shared.cli.main import main
sys.argv = ["muster", "fly"]
try:
    main()
except SystemExit:
    import shared.cli.api_client
    print(json.dumps([list(os.environ), list(filter(sys.modules.get, sys.modules))]))
"""


@pytest.fixture(scope="module")
def known():
    """The variables that a command has, and the modules."""
    environ = {**os.environ, **LIBRARIES, "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_a_command_and_what_it_starts_know_nothing_of_them(known):
    variables, _ = known

    assert set(variables).isdisjoint(FORGOTTEN)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in variables


def test_a_client_is_loaded_without_its_own_command_line(known):
    _, modules = known

    assert "httpx" in modules
    assert {"httpx._main", "click", "pygments"}.isdisjoint(modules)
