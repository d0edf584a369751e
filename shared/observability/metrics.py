"""Metrics in Prometheus' text format; several workers of a process count together, in files that each of them reads."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client knows the directory of these files."""


class SharedMetrics:
    """
    A directory in which workers count: what one of them is asked for is the sum of all.

    Counters of a worker that has ended stay, so that no sum falls; of gauges only those of live workers count.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def count_as(self, worker: str) -> None:
        """
        Let this process count in the directory, and go on where the last one of this name ended.

        Called before anything that counts is imported: it counts in the way that is known when it is made.
        """
        os.environ[DIRECTORY] = self._directory
        values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call] # as it is documented

    def forget_gauges(self, worker: str) -> None:
        """Leave a worker that has ended out of what there is now."""
        mark_process_dead(worker, self._directory)  # type: ignore[no-untyped-call] # the library leaves it so


@contextmanager
def metrics_of(workers: int) -> Iterator[SharedMetrics | None]:
    """Let workers count together as long as the block runs; give None for a single one, which counts in its memory."""
    if workers == 1:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="muster-metrics-") as directory:
        yield SharedMetrics(directory)


def exposition() -> bytes:
    """
    Return all metrics.

    Of several workers those about a process and its Python are left out: they would be of one worker.
    """
    if DIRECTORY not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library leaves it so
    return generate_latest(registry)
