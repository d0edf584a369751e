"""
Traces: a span for each command, and one for each commit of a projection with links to the commands of its events.

Nothing is recorded unless OpenTelemetry's own variables (`OTEL_…`) name an exporter.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import Thread
from time import time_ns
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MOST_LINKS = 128
"""How many links a span has at most; as many as OpenTelemetry's SDK keeps by default."""

MISSING = "tracing needs muster[otel]: pip install 'muster[otel]'"

FLUSH_SECONDS = 1.0
"""How long a collector that does not answer may delay a stop."""

_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

log = structlog.get_logger()
_tracer = trace.get_tracer("muster")
_propagator = TraceContextTextMapPropagator()
_NOT_RECORDED: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)
"""Where nothing is exported: to make a span that is none would take a thirtieth of a command."""


class CannotTrace(Exception):
    """The OTEL_ variables ask for an exporter that is not supported; the message says what to do."""


def command_span(name: str, *, sent: str | None) -> AbstractContextManager[Span]:
    """
    Make the span of one command, to be entered.

    Errors are not recorded: they may quote people's data.

    :param sent: the client's `traceparent`, which is its parent if it is well-formed (W3C Trace Context). `tracestate`
        is left alone: OpenTelemetry quotes a malformed one in the log.
    """
    if sent is None and _nothing_is_recorded():
        return _NOT_RECORDED
    return _tracer.start_as_current_span(
        name,
        context=_context(sent),
        kind=SpanKind.SERVER,
        record_exception=False,
        set_status_on_exception=False,
    )


def _nothing_is_recorded() -> bool:
    return isinstance(_tracer, trace.ProxyTracer) and _has_no_provider()


@cache  # until one is installed: each look goes through the environment
def _has_no_provider() -> bool:
    return isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def traceparent() -> str | None:
    """Return the origin of an event: the current span or, if none is recorded, the client's `traceparent`."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def record_commit(
    projection: str, traceparents: Iterable[str | None], *, position: int, events: int, seconds: float
) -> None:
    """
    Record a commit that has just been made.

    :param traceparents: of its events; only looked at if the span is recorded.
    :param position: of the last event.
    :param seconds: how long it took.
    """
    ended = time_ns()
    began = ended - int(seconds * 1_000_000_000)
    span = _tracer.start_span(f"project {projection}", context=Context(), kind=SpanKind.CONSUMER, start_time=began)
    if span.is_recording():
        _describe(span, projection, traceparents, position=position, events=events)
    span.end(ended)


def export_spans(service: str, *, environ: Mapping[str, str] = os.environ) -> None:
    """
    Export spans as the environment asks; do nothing if it does not ask.

    A failure is logged and not raised: a service that cannot be traced still serves.

    :param service: the name of this process, unless the environment names it.
    """
    if (exporter := _wanted(environ)) is None:
        return
    try:
        _install(exporter, service, environ)
    except CannotTrace as error:
        log.warning("no traces", reason=str(error))
    except ImportError:
        log.warning("no traces", reason=f"{MISSING}; or unset the OTEL_ variables")
    except Exception as error:  # noqa: BLE001 - whatever the SDK says of the variables that it reads by itself
        log.warning("no traces", reason=f"{type(error).__name__}: {error}: mend or unset the OTEL_ variables")


def flush() -> None:
    """Export the waiting spans, if that is done soon: a worker that stops has no other chance."""
    if force := getattr(trace.get_tracer_provider(), "force_flush", None):
        sending = Thread(target=force, daemon=True)  # because its own time-out is not heeded
        sending.start()
        sending.join(FLUSH_SECONDS)


def _context(sent: str | None) -> Context:
    return _propagator.extract({"traceparent": sent}, Context()) if sent else Context()


def _describe(span: Span, projection: str, traceparents: Iterable[str | None], *, position: int, events: int) -> None:
    """Follow the conventions for messaging: a consumer of a batch links to the producer of each message."""
    commands = list(dict.fromkeys(filter(None, traceparents)))
    span.set_attributes(
        {
            "messaging.system": "muster",
            "messaging.destination.name": "event_log",
            "messaging.operation.type": "process",
            "messaging.batch.message_count": events,
            "muster.projection": projection,
            "muster.position": position,
            "muster.commands": len(commands),
        }
    )
    for sent in commands[:MOST_LINKS]:
        span.add_link(_linked(sent))  # which leaves out what is no context


def _linked(sent: str) -> SpanContext:
    return trace.get_current_span(_context(sent)).get_span_context()


def _wanted(environ: Mapping[str, str]) -> str | None:
    """Return the exporter's name; None if there is to be none."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if named := environ.get("OTEL_TRACES_EXPORTER"):
        return None if named == "none" else named
    return "otlp" if any(map(environ.get, _ENDPOINTS)) else None


def _install(exporter: str, service: str, environ: Mapping[str, str]) -> None:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an optional extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise

    resource = Resource.create(_identity(service, environ))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # see `flush`
    provider.add_span_processor(BatchSpanProcessor(_exporter(exporter, environ)))
    trace.set_tracer_provider(provider)
    _has_no_provider.cache_clear()


def _identity(service: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that the environment leaves open: values given here would overrule it."""
    is_named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return {} if is_named else {"service.name": service}


def _exporter(name: str, environ: Mapping[str, str]) -> Any:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - likewise

        return ConsoleSpanExporter(out=sys.stderr)
    if name != "otlp":
        raise CannotTrace(f"OTEL_TRACES_EXPORTER is {name!r}: choose otlp, console or none")
    if (protocol := next(filter(None, map(environ.get, _PROTOCOLS)), _HTTP)) != _HTTP:
        raise CannotTrace(f"the OTLP protocol is {protocol!r}: set {_PROTOCOLS[1]}={_HTTP}")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - likewise

    return OTLPSpanExporter()
