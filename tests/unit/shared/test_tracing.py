"""Spans of commands and commits, and where they are sent."""

import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from structlog.testing import capture_logs

from shared.observability import tracing
from shared.observability.tracing import command_span, export_spans, record_commit, traceparent
from tests.support.measures import every_attribute

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = f"00-{TRACE}-{SPAN}-01"
MALFORMED = [
    "",
    "nonsense",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"{SENT}, {SENT}",
    "\x00é" * 1_000,
]


def numbered(number):
    return f"00-{number:032x}-{SPAN}-01"


def commit(*traceparents, **changes):
    about = {"position": 9, "events": len(traceparents), "seconds": 0.5} | changes
    record_commit("profiles", traceparents, **about)


def test_a_command_goes_on_with_the_trace_of_its_client(spans):
    """W3C Trace Context: the same trace, and the client's span is the parent."""
    with command_span("suspend-account", sent=SENT):
        carried = traceparent()

    [span] = spans.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    assert span.kind is SpanKind.SERVER
    assert carried == f"00-{TRACE}-{span.context.span_id:016x}-01"


@pytest.mark.parametrize("sent", [None, *MALFORMED])
def test_what_is_no_traceparent_begins_a_trace(spans, sent):
    """A client's mistake is not the command's."""
    with command_span("suspend-account", sent=sent):
        carried = traceparent()

    [span] = spans.get_finished_spans()
    assert span.parent is None
    assert carried is not None


def test_the_version_after_ours_may_say_more(spans):
    """Level 1 of W3C Trace Context: of a higher version, the first four parts are read."""
    with command_span("suspend-account", sent=f"01-{TRACE}-{SPAN}-01-more"):
        pass

    [span] = spans.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE


@pytest.mark.parametrize(("sent", "carried"), [(SENT, SENT), (None, None), *((each, None) for each in MALFORMED)])
def test_without_a_tracer_the_clients_word_is_passed_on(sent, carried):
    """Nothing is recorded here, but a reader of the event may."""
    with command_span("suspend-account", sent=sent) as span:
        assert traceparent() == carried
        assert not span.is_recording()

    assert traceparent() is None


def test_what_a_failure_says_is_not_recorded(spans):
    """It may quote a handle or an address."""
    with pytest.raises(LookupError), command_span("suspend-account", sent=None):
        raise LookupError("no account is called Lovelace")

    assert "Lovelace" not in every_attribute(spans)


def test_a_commit_links_to_each_command_once(spans):
    """A registration makes two events; they are one command's. Who sent none, or nonsense, is not linked to."""
    commit(numbered(1), numbered(1), None, numbered(2), "nonsense")

    [span] = spans.get_finished_spans()
    assert [link.context.trace_id for link in span.links] == [1, 2]
    assert span.kind is SpanKind.CONSUMER
    assert span.parent is None
    assert span.end_time - span.start_time == 500_000_000
    assert span.attributes["messaging.batch.message_count"] == 5
    assert span.attributes["muster.position"] == 9


def test_the_links_of_a_commit_are_bounded(spans):
    """The attribute tells of how many commands there were."""
    commit(*map(numbered, range(1, 501)))

    [span] = spans.get_finished_spans()
    assert [link.context.trace_id for link in span.links] == list(range(1, tracing.MOST_LINKS + 1))
    assert span.attributes["muster.commands"] == 500


def test_events_are_not_looked_at_unless_a_tracer_records():
    """A commit of 500 events pays nothing for what nobody asked for."""

    def unread():
        raise AssertionError("looked at")
        yield

    record_commit("profiles", unread(), position=1, events=1, seconds=0.0)


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "x"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
    ],
)
def test_spans_are_sent_only_if_the_environment_says_where_to(environ, wanted):
    """Its variables are OpenTelemetry's own."""
    assert tracing._wanted(environ) == wanted


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "choose otlp, console or none"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_stops_nobody(environ, reason):
    with capture_logs() as logged:
        export_spans("muster-write", environ=environ)

    assert [reason in each["reason"] for each in logged] == [True]
    assert not hasattr(trace.get_tracer_provider(), "force_flush")


@pytest.mark.parametrize(
    ("name", "text"),
    [("OTEL_BSP_MAX_QUEUE_SIZE", "-1"), ("OTEL_SPAN_LINK_COUNT_LIMIT", "few"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0")],
)
def test_what_the_sdk_cannot_read_is_said_in_one_line_and_stops_nobody(monkeypatch, name, text):
    monkeypatch.setenv(name, text)

    with capture_logs() as logged:
        export_spans("muster-write", environ={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})

    assert ["mend or unset the OTEL_ variables" in each["reason"] for each in logged] == [True]
    assert not hasattr(trace.get_tracer_provider(), "force_flush")


def test_a_missing_extra_is_logged_with_its_hint(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with capture_logs() as logged:
        export_spans("muster-write", environ={"OTEL_TRACES_EXPORTER": "console"})

    assert "pip install 'muster[otel]'" in logged[0]["reason"]


@pytest.mark.parametrize(
    ("environ", "given"),
    [
        ({}, {"service.name": "muster-write"}),
        ({"OTEL_SERVICE_NAME": "people"}, {}),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=people"}, {}),
    ],
)
def test_a_process_is_called_what_the_environment_calls_it(environ, given):
    assert tracing._identity("muster-write", environ) == given
