"""What was counted and recorded while a test ran."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY


class Counted:
    """How much a sample has grown."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = self._value()

    @property
    def more(self) -> float:
        return self._value() - self._before

    def _value(self) -> float:
        """Of one metric alone: to collect all of them, as often as one is waited for, takes long."""
        metrics = REGISTRY.restricted_registry([self._name]).collect()
        found = (sample for metric in metrics for sample in metric.samples)
        return next((each.value for each in found if (each.name, each.labels) == (self._name, self._labels)), 0.0)


@contextmanager
def counts(name: str, more: float, **labels: str) -> Iterator[None]:
    """What is done in it makes a sample grow by so much."""
    counted = Counted(name, **labels)
    yield
    assert counted.more == more


def every_attribute(exporter: InMemorySpanExporter) -> str:
    """Everything that the spans tell, as one text."""
    return "\n".join(span.to_json() for span in exporter.get_finished_spans())


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]
