"""A stop of the process, noticed while it still serves."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TypeVar

SIGNALS = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")


class Stopped(Exception):
    """The process is to stop, and begins nothing more."""


class StopSignal:
    """Whether the process is to stop, for loops and answers that have no end of their own."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()

    def request(self) -> None:
        """Let nothing new begin from now on."""
        self._requested.set()

    @property
    def is_requested(self) -> bool:
        return self._requested.is_set()

    def raise_if_requested(self) -> None:
        """:raises Stopped: the process is to stop."""
        if self._requested.is_set():
            raise Stopped

    async def until_requested(self, things: AsyncIterator[T]) -> AsyncIterator[T]:
        """
        Yield things as they come.

        :raises Stopped: the process is to stop, also while nothing comes.
        """
        requested = asyncio.ensure_future(self._requested.wait())
        try:
            while True:
                following = asyncio.ensure_future(_next(things))
                await asyncio.wait([requested, following], return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    await asyncio.wait([following])
                    raise Stopped
                if (thing := following.result()) is None:
                    return
                yield thing
        finally:
            requested.cancel()


async def _next(things: AsyncIterator[T]) -> T | None:
    """Return the next thing, None at the end."""
    return await anext(things, None)


@contextmanager
def on_stop_signal(callback: Callable[[], None]) -> Iterator[None]:
    """
    Call `callback` on the running event loop at SIGTERM and SIGINT, besides the handlers that are there.

    granian waits for the answers that are being sent before it ends the lifespan of an application: an answer without
    an end has to learn of the stop in another way.
    """
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for number in SIGNALS if threading.current_thread() is threading.main_thread() else ():
            stack.enter_context(_chained(number, lambda: loop.call_soon_threadsafe(callback)))
        yield


@contextmanager
def _chained(number: signal.Signals, callback: Callable[[], object]) -> Iterator[None]:
    """Add a callback to a signal's handler; a signal without one ends the process, or is meant to be ignored."""
    before = signal.getsignal(number)
    if not callable(before):
        yield
        return

    def both(received: int, frame: FrameType | None) -> None:
        callback()
        before(received, frame)

    signal.signal(number, both)
    try:
        yield
    finally:
        signal.signal(number, before)
