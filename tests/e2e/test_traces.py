"""The processes as they run in production send their spans to the collector that OpenTelemetry's variables name."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from projector.projections.registry import PROJECTIONS
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import free_port
from tests.support.patience import SECONDS, until
from tests.support.sessions import migrated_database
from tests.support.stack import service

TRACE, CLIENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Keeps the spans that are sent to it, by the name of the service that sent them."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []

    def take(self, body: bytes) -> None:
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = [one.value.string_value for one in each.resource.attributes if one.key == "service.name"]
            self.spans += [(names[0], span) for scope in each.scope_spans for span in scope.spans]

    async def command(self) -> Span | None:
        """The command of our trace, once it was sent."""
        own = [span for service, span in self.spans if (service, span.trace_id.hex()) == ("muster-write", TRACE)]
        return own[0] if own else None

    async def linked(self) -> set[str]:
        """The projector's spans that link to our trace."""
        sent = [span for service, span in self.spans if service == "muster-project"]
        return {span.name for span in sent if TRACE in {link.trace_id.hex() for link in span.links}}


@pytest.fixture(scope="module")
def collector_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
async def write_url(stack, collector_port, tmp_path_factory) -> AsyncIterator[str]:
    """The write side, beside a projector; both send spans to a collector, which is away unless a test has it listen."""
    home = tmp_path_factory.mktemp("traced")
    with (
        migrated_database(stack.addresses.database_url) as url,
        EmbeddedRedis(home / "redis", appendonly=False) as redis,
    ):
        settings = {
            "MUSTER_DATABASE_URL": url,
            "MUSTER_REDIS_URL": redis.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        async with (
            service("project", home / "project.log", **settings),
            service("write", home / "write.log", **settings) as (write, _),
        ):
            yield write


@contextmanager
def listening(collector: Collector, port: int) -> Iterator[None]:
    """Let it be sent to."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


async def register(url: str, name: str, **headers: str) -> None:
    body = {"email": f"{name}@example.org", "handle": name, "display_name": name}
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False) as client:
        (await client.post("/commands/register-account", json=body, headers=headers)).raise_for_status()


@pytest.fixture
def collector() -> Collector:
    return Collector()


async def test_a_trace_is_whole_at_the_collector(collector, collector_port, write_url):
    """The command from the write side, and from the projector the commits that link to it."""
    name = f"traced-{uuid4().hex[:8]}"

    with listening(collector, collector_port):
        await register(write_url, name, traceparent=f"00-{TRACE}-{CLIENT}-01")
        command = await until(collector.command)
        await until(lambda: all_of_them(collector))

    assert command.parent_span_id.hex() == CLIENT
    assert not any(name in str(span) for _, span in collector.spans)


async def all_of_them(collector: Collector) -> bool:
    return await collector.linked() == {f"project {each.name}" for each in PROJECTIONS}


async def test_a_collector_that_is_away_holds_nobody_up(write_url):
    """Commands are answered, and the processes end in time: `service` sees to it."""
    await register(write_url, "ada")
