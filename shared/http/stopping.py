"""Hearing that the process is to stop, while it still serves."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def hearing_stop(tell: Callable[[], None]) -> Iterator[None]:
    """
    Have `tell` called on the running event loop at SIGTERM and SIGINT, besides whoever hears them already.

    granian waits for the answers that are being sent before it ends the lifespan of an application. An answer that has
    no end has to hear from elsewhere that it is time.
    """
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for number in SIGNALS if threading.current_thread() is threading.main_thread() else ():
            stack.enter_context(_chained(number, lambda: loop.call_soon_threadsafe(tell)))
        yield


@contextmanager
def _chained(number: signal.Signals, hear: Callable[[], object]) -> Iterator[None]:
    """Leave a signal alone that nobody hears: it ends the process as it is, or is meant to be ignored."""
    before = signal.getsignal(number)
    if not callable(before):
        yield
        return

    def both(received: int, frame: FrameType | None) -> None:
        hear()
        before(received, frame)

    signal.signal(number, both)
    try:
        yield
    finally:
        signal.signal(number, before)
