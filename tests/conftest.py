"""Servers and clocks that tests of several kinds share. Servers are real, started once, and end with the run."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.dev_stack.embedded_postgres import EmbeddedPostgres
from shared.observability import tracing
from tests.support.databases import Databases

pytest_plugins = ["tests.support.stack", "tests.support.client", "tests.support.browser"]

# A machine that pauses makes no example slow, whatever hypothesis takes it for.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")

LONGEST = ("faults", "e2e", "contract")
"""Folders of tests, by how long a file of theirs takes."""


def pytest_configure() -> None:
    """Hear SIGINT even in the background of a shell, which has it ignored, and with us every process of a test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak-minutes", type=float, default=1.0, help="How long a soak of random histories takes.")
    parser.addoption("--soak", type=float, metavar="MINUTES", help="Let faults strike in run after run for so long.")
    parser.addoption("--fault-seed", type=int, metavar="SEED", help="With which seed the first run begins.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what takes longest, so that no process is left alone with it; leave soaks out unless asked for."""
    items.sort(
        key=lambda item: next((nth for nth, kind in enumerate(LONGEST) if kind in item.path.parts), len(LONGEST))
    )
    if "soak" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: ask for it with -m soak"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans that are recorded in this test; without it, none are."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("muster"))
    return exporter


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A directory that the account of an embedded server can reach; pytest's own is closed to it when we are root."""
    home = Path(tempfile.mkdtemp(prefix="muster-tests-"))
    home.chmod(0o711)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def postgres(server_home: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that no test stops."""
    options = {"max_prepared_transactions": "5", "max_connections": "200"}
    with EmbeddedPostgres(server_home / "postgres", durable=False, options=options) as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    return Databases(postgres)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated database that is the test's own meanwhile."""
    with databases.lent() as url:
        yield url
