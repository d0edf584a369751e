"""Variables by which other programs steer the libraries that we use do not steer ours."""

import os

import pytest

from shared.cli.main import main
from tests.support.hostile_variables import LIBRARIES

FORGOTTEN = ("LITESTAR_DEBUG", "LITESTAR_PDB", "PROMETHEUS_MULTIPROC_DIR", "PSYCOPG_IMPL", "OTEL_PYTHON_CONTEXT")


def test_a_command_and_what_it_starts_know_nothing_of_them(monkeypatch):
    for name, text in LIBRARIES.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr("sys.argv", ["muster", "fly"])

    with pytest.raises(SystemExit):
        main()

    assert os.environ.keys().isdisjoint(FORGOTTEN)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ
