"""Servers and clocks that tests of several kinds share. Servers are real, started once, and end with the run."""

import gc
import re
import signal
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import cache, lru_cache
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from httpx import create_ssl_context
from httpx._transports import default as httpx_transports
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis import utils as redis_utils
from xdist.scheduler import LoadFileScheduling

from shared.dev_stack.embedded.postgres import EmbeddedPostgres
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.observability import tracing
from tests.support.databases import Databases, with_data
from tests.support.examples import register_profiles

pytest_plugins = ["tests.support.stack", "tests.support.client", "tests.support.browser"]

register_profiles()
OF_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@lru_cache(maxsize=8)
def _context(_environment: tuple[str | None, ...], *given: Any, **named: Any) -> Any:
    return create_ssl_context(*given, **named)


def _context_as_the_environment_says(*given: Any, **named: Any) -> Any:
    """Every client would read all certificates again, for 20 ms: tests make thousands of them."""
    return _context(tuple(map(environ.get, OF_CERTIFICATES)), *given, **named)


httpx_transports.create_ssl_context = _context_as_the_environment_says  # type: ignore[attr-defined]  # theirs
# Every connection would look up in its package which version it has, for 0.5 ms.
redis_utils.get_lib_version = cache(redis_utils.get_lib_version)

ROOT = Path(__file__).parents[1]
SHARED_STACKS = {"mortal_stack": "mortal_stack", "stack": "stack", "muster": "stack"}
"""By the fixtures that tests ask for: the stack of the whole run that they stand on."""
WRITE_MUCH = ("test_processes.py", "test_whole_congress.py", "test_overload.py")
"""Files that leave behind what all others on their stack would fold and compare again: they come after those."""
BEGIN = ("test_quickstart.py", "test_restored_postgres.py")
"""One shows what there is on a stack on which nothing was done yet, the other projects all that there is anew."""
FILES = (
    "test_howtos.py",
    "test_failover.py",
    "test_seeded_faults.py",
    "test_up.py",
    "test_serving.py",
    "test_environment.py",
)
LONGEST = (*FILES, "faults", "e2e", "hostile", "contract")
"""Files, then folders of files, by how long each takes (`--durations`)."""


def pytest_configure() -> None:
    """Hear SIGINT even in the background of a shell, which has it ignored, and with us every process of a test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak-minutes", type=float, default=1.0, help="How long a soak of random histories takes.")
    parser.addoption("--soak", type=float, metavar="MINUTES", help="Let faults strike in run after run for so long.")
    parser.addoption("--fault-seed", type=int, metavar="SEED", help="With which seed the first run begins.")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector rest meanwhile: nearly all that is made stays, and would be walked through for ever."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what takes longest, so that no process is left alone with it; leave soaks out unless asked for."""
    items.sort(key=lambda item: _rank(item.path))
    if "soak" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: ask for it with -m soak"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Have a process tell the one that shows it of each test once, not four times more that nothing is to be told."""
    if not hasattr(item.config, "workerinput"):
        return None
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        if report.when == "call":
            report.duration = sum(each.duration for each in reports)
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return StackScheduling(config, log)


class StackScheduling(LoadFileScheduling):
    """
    Gives a file to one process, and likewise all files that share a stack, so that it starts once.

    The groups of xdist's own `loadgroup` are lost: they are written into ids that pytest 9 no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return _shared_stack(ROOT / path) or path


@cache
def _shared_stack(path: Path) -> str | None:
    """The stack of the whole run that a file asks for, if it does, in a test or in a fixture."""
    text = path.read_text()
    for fixture, stack in SHARED_STACKS.items():
        asks = rf"(@pytest\.fixture.*\n(async )?def |def test_)\w+\([^)]*\b{fixture}\b"
        if re.search(asks, text) and f"def {fixture}(" not in text:
            return stack
    return None


def _rank(path: Path) -> tuple[int, int]:
    order = ("mortal_stack", "stack", *LONGEST)
    place = next((nth for nth, kind in enumerate(order) if kind in (_shared_stack(path), *path.parts)), len(order))
    return place, (path.name in WRITE_MUCH) - (path.name in BEGIN)


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
    with TemporaryDirectory(prefix="muster-tests-") as home:
        Path(home).chmod(0o711)
        yield Path(home)


@pytest.fixture(scope="session")
def postgres(server_home: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that no test stops."""
    options = {"max_prepared_transactions": "5", "max_connections": "200"}
    with EmbeddedPostgres(with_data(server_home / "postgres"), durable=False, options=options) as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    with closing(Databases(postgres)) as made:
        yield made


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated database that is the test's own meanwhile."""
    with databases.lent() as url:
        yield url


@pytest.fixture(scope="session")
def valkey(server_home: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(server_home / "valkey", fsync="no") as server:
        yield server
