"""Replace workers while they serve: an old one stops only once its successor is there."""

import multiprocessing
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import structlog
from granian.server.mp import MPServer

from shared.observability.metrics import SharedMetrics
from shared.runtime.retry import wait_until

log = structlog.get_logger()


class ReloadingServer(MPServer):
    """
    A server of granian that reloads at SIGHUP, and replaces a worker that died, if there are others.

    Its loader is given `made`, to call once the application is made, and `worker`, by which name to count.

    Granian by itself waits for a fixed time, after which it ends the old worker whether or not there is a new one.
    """

    def __init__(self, target: str, *, make_seconds: float, metrics: SharedMetrics | None, **options: Any) -> None:
        super().__init__(target, respawn_failed_workers=metrics is not None, **options)
        self._make_seconds = make_seconds
        self._metrics_of_workers = metrics

    def _spawn_workers(self, spawn_target: Any, target_loader: Callable[..., Any]) -> None:
        super()._spawn_workers(spawn_target, partial(target_loader, made=_replaces_no_worker))  # type: ignore[no-untyped-call]  # granian leaves it so

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Callable[..., Any]) -> Any:  # type: ignore[override]  # as granian's own does
        """Make a worker with another name than the one in its place, which may still count by that."""
        in_place: list[Any] = self.wrks[idx : idx + 1]
        name = f"{idx}b" if [each.name for each in in_place] == [f"{idx}a"] else f"{idx}a"
        worker: Any = super()._spawn_worker(idx, target, partial(callback_loader, worker=name))
        worker.name = name
        return worker

    def _respawn_workers(
        self, workers: Iterable[int], spawn_target: Any, target_loader: Callable[..., Any], delay: float = 0
    ) -> None:
        for index in workers:
            old: Any = self.wrks[index]
            if has_died := not old.is_alive():
                self.respawned_wrks[index] = time.monotonic()
            if (new := self._successor(index, spawn_target, target_loader)) is not None:
                self.wrks[index] = new
                time.sleep(delay)
                self._end(old)
            elif self.interrupt_signal:
                return
            elif has_died:
                self.interrupt_children.append(index)  # granian tries again, or ends it all if this was soon
                self.main_loop_interrupt.set()
            else:
                log.error("the new worker has died or does not start: the old one goes on", worker=index + 1)
                return

    def _successor(self, index: int, target: Any, loader: Callable[..., Any]) -> Any:
        """Return the worker that takes over, None if it cannot."""
        made = multiprocessing.get_context(multiprocessing.get_start_method()).Event()
        new: Any = self._spawn_worker(index, target, partial(loader, made=made.set))
        new.interrupt_by_parent = True  # until it serves, its death is no reason to end everything
        new.start()
        wait_until(
            lambda: made.is_set() or self.interrupt_signal or not new.is_alive(), within=self._make_seconds, every=0.1
        )
        if not made.is_set():
            self._end(new)
            return None
        new.interrupt_by_parent = False
        return new

    def _end(self, worker: Any) -> None:
        worker.terminate()
        worker.join(self.workers_kill_timeout)
        if worker.is_alive():
            worker.kill()
            worker.join()
        if self._metrics_of_workers:
            self._metrics_of_workers.forget_gauges(worker.name)


def _replaces_no_worker() -> None:
    """Do nothing: the first workers have no predecessors."""
