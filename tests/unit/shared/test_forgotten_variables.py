"""Variables by which other programs steer the libraries that we use do not steer ours."""

import os
import subprocess
import sys

from tests.support.hostile_variables import LIBRARIES

FORGOTTEN = ("LITESTAR_DEBUG", "LITESTAR_PDB", "PROMETHEUS_MULTIPROC_DIR", "PSYCOPG_IMPL", "OTEL_PYTHON_CONTEXT")
PROGRAM = """
import os, sys
from shared.cli.main import main
sys.argv = ["muster", "fly"]
try:
    main()
except SystemExit:
    print(*os.environ)
"""


def test_a_command_and_what_it_starts_know_nothing_of_them():
    environ = {**os.environ, **LIBRARIES, "PYTHONPATH": ":".join(sys.path)}

    known = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)

    assert set(known.stdout.split()).isdisjoint(FORGOTTEN)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in known.stdout.split()
