"""Hearing that the process is to stop, while it still serves."""

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


class Stopping:
    """Whether the process is to stop, for streams that would go on until they are ended."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """From now on nothing new is begun."""
        self._asked.set()

    def require_none(self) -> None:
        """:raises Stopped: it is."""
        if self._asked.is_set():
            raise Stopped

    async def unless_asked(self, things: AsyncIterator[T]) -> AsyncIterator[T]:
        """
        Pass things on as they come.

        :raises Stopped: the process is to stop, also while nothing comes.
        """
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            while True:
                following = asyncio.ensure_future(_next(things))
                await asyncio.wait([asked, following], return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    await asyncio.wait([following])
                    raise Stopped
                if (thing := following.result()) is None:
                    return
                yield thing
        finally:
            asked.cancel()


async def _next(things: AsyncIterator[T]) -> T | None:
    """The next of them, None at their end."""
    return await anext(things, None)


@contextmanager
def hearing_stop(tell: Callable[[], None]) -> Iterator[None]:
    """
    Have `tell` called on the running event loop at SIGTERM and SIGINT, besides the handlers that are there.

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
