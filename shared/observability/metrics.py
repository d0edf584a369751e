"""Metrics in Prometheus' text format; several workers of a process count together, in files that each of them reads."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client knows the directory of these files."""

_PREFIX = "muster-metrics-"


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
    _remove_abandoned()
    directory, lock = _locked_directory()
    try:
        yield SharedMetrics(directory)
    finally:
        shutil.rmtree(directory)
        os.close(lock)


def _locked_directory() -> tuple[str, int]:
    """Make a directory that says as long as a process of ours lives that it is in use."""
    while True:
        directory = tempfile.mkdtemp(prefix=_PREFIX)
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if Path(directory).exists():  # another process may have taken it for an abandoned one
            return directory, lock
        os.close(lock)


def _remove_abandoned() -> None:
    """Remove the directories of processes that were killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is in use, of another account, or gone
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory)
            finally:
                os.close(lock)


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
