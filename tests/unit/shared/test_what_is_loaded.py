"""What a command loads of the libraries that we use: no more than it needs, whatever variables say."""

import gc
import json
import os
import subprocess
import sys

import pytest

from tests.hostile.variables import LIBRARIES

FORGOTTEN = ("LITESTAR_DEBUG", "LITESTAR_PDB", "PROMETHEUS_MULTIPROC_DIR", "PSYCOPG_IMPL", "OTEL_PYTHON_CONTEXT")
PROGRAM = """
import atexit, gc, json, os, sys
from shared.cli.main import main
atexit.register(lambda: print(gc.get_freeze_count() > len(sys.modules), gc.get_threshold()[0]))
sys.argv = ["muster", "fly"]
try:
    main()
except SystemExit:
    import shared.cli.api_client, shared.redis.client, shared.observability.logging
    print(json.dumps([list(os.environ), list(filter(sys.modules.get, sys.modules))]))
"""


@pytest.fixture(scope="module")
def known():
    """The variables that a command has, the modules, and whether it leaves them be as it ends."""
    environ = {**os.environ, **LIBRARIES, "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    loaded, left = run.stdout.splitlines()
    return *json.loads(loaded), left


def test_a_command_and_what_it_starts_know_nothing_of_them(known):
    variables, *_ = known

    assert set(variables).isdisjoint(FORGOTTEN)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in variables


def test_libraries_are_loaded_without_what_is_of_no_use(known):
    """A command line of their own, meters, and tracebacks in colours."""
    _, modules, _ = known

    assert {"httpx", "redis", "structlog"} <= set(modules)
    assert {"httpx._main", "click", "pygments", "opentelemetry.sdk.metrics", "psutil"}.isdisjoint(modules)


def test_a_command_does_not_search_for_garbage_in_all_it_has_loaded(known):
    """Seldom while it loads, and never as it ends: that takes longer than what many commands do."""
    *_, left = known
    is_frozen, threshold = left.split()

    assert is_frozen == "True"
    assert int(threshold) > 10 * gc.get_threshold()[0]
