"""One session with the event log for all that follow it in a process: what is new is read once, and decoded once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from shared.event_log.ports import EventLog, EventReader, LogIdentity, RecordedEvent
from shared.event_log.window import ReadWindow
from shared.runtime.cancellation import is_cancelled
from shared.runtime.retry import Backoff, RetryPolicy

T = TypeVar("T")
Follower = TypeVar("Follower", bound="TapFollower")

Route: TypeAlias = Callable[[RecordedEvent], Collection[str]]
"""What an event concerns: topics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapLimits:
    """How much of the log is read at once for all that follow it, and how much is kept for the slower ones."""

    portion: int = 500
    """Events in one read."""
    window: int = 1_000
    """Events behind the slowest that are kept; who is further behind reads for themselves until they are level."""
    counted: int = 10_000
    """Positions in which events are counted at once, in a millisecond: others are served in between."""
    held_up: RetryPolicy = field(default_factory=lambda: RetryPolicy(first=0.002, longest=0.25))
    """From one look to the next while a transaction holds the log up: one that is rolled back notifies nobody."""


class EventTap:
    """
    Lets many follow an event log in one session, which lasts as long as any of them does.

    All lose it at once, so that each finds out by itself what log the next one is with.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        idle: Callable[[], Backoff],
        limits: TapLimits | None = None,
        route: Route | None = None,
    ) -> None:
        """
        :param idle: gives the pauses from one look for what nobody notified to the next.
        :param route: gives the topics of an event, where some follow only what concerns one.
        """
        self.passed_over = asyncio.Event()
        """Set whenever something new does not concern one who waits."""
        self._log = log
        self._idle = idle
        self._limits = limits or TapLimits()
        self._route = route
        self._session: _Session | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["TapFollower"]:
        """
        Follow the log.

        :raises Unavailable, EventLogUnsound: as with `EventLog.connect`.
        """
        session = self._connected()
        async with session.followed(TapFollower(session)) as follower:
            yield follower

    @asynccontextmanager
    async def connect_to(self, topic: str) -> AsyncIterator["TopicFollower"]:
        """
        Follow what of the log concerns a topic.

        :raises Unavailable, EventLogUnsound: as with `EventLog.connect`.
        """
        session = self._connected()
        async with session.followed(TopicFollower(session, topic, self.passed_over)) as follower:
            yield follower

    def _connected(self) -> "_Session":
        if self._session is None or self._session.is_over:
            self._session = _Session(self._log, self._idle(), self._limits, self._route)
        return self._session


class TapFollower:
    """One of those that follow, see `EventFollower`; every method raises what has ended the session."""

    def __init__(self, session: "_Session") -> None:
        self.has_more = False
        self.reached = -1
        """Up to where it was given everything."""
        self.news = asyncio.Event()
        self._session = session
        self._read = 0
        """The number of the read whose events it was given last: an older one may show what was redacted since."""

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        """See `EventFollower`; events that were read for another one, where this one goes on from those before."""
        session, window = self._session, self._session.window
        session.require_alive()
        events = None
        if after == self.reached and not (after == window.end and session.has_more):
            events = window.following(after, limit=limit, since=self._read)
        if events is None:
            return await session.ask(partial(self._read_for_itself, after, limit))
        if events:
            self._read = window.read_of(events[-1].position)
            self.reached = events[-1].position
            session.read_ahead()
        self.has_more = self.reached < window.end or session.has_more
        return events

    async def identity(self, *, position: int, since: int = 0) -> LogIdentity:
        """See `EventFollower`; counted in steps, between which others are served."""
        count = 0
        while True:
            until = min(position, since + self._session.limits.counted)
            identity = await self._session.ask(partial(_identity, position=until, since=since))
            count += identity.count
            if until == position or since >= position:
                return LogIdentity(identity.event_id, count)
            since = until

    async def head(self) -> int:
        """See `EventReader`."""
        return await self._session.ask(_head)

    async def wait(self, *, seconds: float) -> bool:
        """See `EventFollower`; returns at once where it was not given everything that was read."""
        self._session.require_alive()
        if self.reached == self._session.window.end:
            self.news.clear()
            with suppress(TimeoutError), self._session.waiting(self):
                async with asyncio.timeout(seconds):
                    await self.news.wait()
            self._session.require_alive()
        return self.news.is_set() or self.reached != self._session.window.end

    def passes_over(self, events: Sequence[RecordedEvent], *, after: int, read: int) -> bool:  # noqa: ARG002 - all concern it
        """Take note of what was read behind a position while it waits; return whether nothing of it concerns it."""
        return False

    async def _read_for_itself(self, after: int, limit: int, reader: EventReader) -> Sequence[RecordedEvent]:
        events, self._read = await self._session.read(reader, after=after, limit=limit)
        self.reached = events[-1].position if events else after
        self.has_more = reader.has_more
        return events


class TopicFollower(TapFollower):
    """
    One that follows what concerns a topic.

    What it is given stands for the events before it that it is not given: a count of the log goes on.

    :ivar passed: how many events, from the last that it was given up to `reached`, do not concern it.
    :ivar last: the last of these.
    :ivar given: the position of the last that it was given, or from which it went on.
    """

    def __init__(self, session: "_Session", topic: str, passed_over: asyncio.Event) -> None:
        super().__init__(session)
        self.passed = 0
        self.last: RecordedEvent | None = None
        self._topic = topic
        self._passed_over = passed_over
        self.given = self.reached

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        """
        See `EventFollower`; empty only where nothing that concerns it can be read now.

        :param after: the last that it was given, or `reached`, to go on from there.
        :param limit: of events that are looked at in one go.
        """
        at = self.reached if after == self.given else after
        if after != self.given:
            self.given, self.passed = after, 0
        while events := await super().read(after=at, limit=limit):
            if own := self._own(events):
                return own
            at = self.reached
        return ()

    def pass_on(self, *, position: int, events: int) -> None:
        """Count from a position up to which so many events were passed."""
        self.given, self.passed = position, self.passed - events

    def passes_over(self, events: Sequence[RecordedEvent], *, after: int, read: int) -> bool:
        if self.reached != after or any(self._topic in each.topics for each in events):
            return False
        self._pass(events)
        self.reached, self._read = events[-1].position, read
        self._passed_over.set()
        return True

    def _own(self, events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        own, since = [], -1
        for nth, each in enumerate(events):
            if self._topic in each.topics:
                own.append(msgspec.structs.replace(each, stands_for=self.passed + nth - since))
                self.passed, self.given, since = 0, each.position, nth
        self._pass(events[since + 1 :])
        return own

    def _pass(self, events: Sequence[RecordedEvent]) -> None:
        if events:
            self.passed += len(events)
            self.last = events[-1]


class _Request(NamedTuple):
    work: Callable[[EventReader], Awaitable[Any]]
    reply: asyncio.Future[Any]


class _Session:
    """The session, and the one task that reads in it, so that nobody's end leaves an answer of the server unread."""

    def __init__(self, log: EventLog, idle: Backoff, limits: TapLimits, route: Route | None) -> None:
        self.limits = limits
        self.window = ReadWindow(size=limits.window)
        self.has_more = False
        """Whether the last read at the end of the window left something out."""
        self.is_over = False
        self._log = log
        self._idle = idle
        self._route = route
        self._held_up = Backoff(limits.held_up)
        self._followers: list[TapFollower] = []
        self._waiting: list[TapFollower] = []
        self._requests: deque[_Request] = deque()
        self._is_due = True
        """Whether there may be something behind the window."""
        self._looks_at = 0.0
        """When it is time to look for what nobody notified."""
        self._reads = 0
        self._reader: EventReader | None = None
        self._failure: Exception | None = None
        self._opened = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="event tap")

    @asynccontextmanager
    async def followed(self, follower: Follower) -> AsyncIterator[Follower]:
        """Have one more follow for as long as the session lasts; it ends with the last of them."""
        self._followers.append(follower)
        try:
            await self._opened.wait()
            self.require_alive()
            yield follower
        finally:
            self._followers.remove(follower)
            if not self._followers:
                self.is_over = True
                self._task.cancel()
                await asyncio.wait([self._task])

    @contextmanager
    def waiting(self, follower: TapFollower) -> Iterator[None]:
        """Wake a follower once there is something new."""
        self._waiting.append(follower)
        try:
            if self._is_due:
                self._wake()
            yield
        finally:
            if follower in self._waiting:
                self._waiting.remove(follower)

    async def ask(self, work: Callable[[EventReader], Awaitable[T]]) -> T:
        """Have something done with the reader, once it has time."""
        self.require_alive()
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._requests.append(_Request(work, reply))
        self._wake()
        return await reply

    def require_alive(self) -> None:
        """:raises Exception: what has ended the session."""
        if self._failure:
            raise self._failure

    def read_ahead(self) -> None:
        """Read what is new while the first of them does something with what it has taken."""
        if self._is_to_read_on:
            self._wake()

    async def read(self, reader: EventReader, *, after: int, limit: int) -> tuple[Sequence[RecordedEvent], int]:
        """Return the first events behind a position, as the log has them now, and the number of this read."""
        events = await reader.read(after=after, limit=limit)
        if self._route:
            events = [msgspec.structs.replace(each, topics=self._route(each)) for each in events]
        self._reads += 1
        self.window.forget(until=min(each.reached for each in self._followers))
        if self.window.take(events, after=after, read=self._reads):
            self.has_more = self._is_due = reader.has_more
        for each in [each for each in self._waiting if each.reached != self.window.end]:
            if each.passes_over(events, after=after, read=self._reads):
                continue
            self._waiting.remove(each)  # so that nothing more is read before one of them has taken this
            each.news.set()
        return events, self._reads

    async def _run(self) -> None:
        try:
            async with self._log.connect() as self._reader:
                self._opened.set()
                while not is_cancelled():
                    await self._turn(self._reader)
        except Exception as error:  # noqa: BLE001 - each follower raises it
            self._fail(error)

    async def _turn(self, reader: EventReader) -> None:
        """Do what is asked for; else read on, if one of them is ready for it; else wait."""
        if self._requests:
            await self._do(self._requests.popleft(), reader)
        elif self._is_to_read_on:
            await self._read_on(reader)
        else:
            await self._rest(reader)

    async def _rest(self, reader: EventReader) -> None:
        """Wait for what is notified, and look for what nobody notified in time, whatever is asked meanwhile."""
        now = asyncio.get_running_loop().time
        if self._looks_at <= now():
            self._looks_at = now() + self._idle.next()
        if await reader.wait(seconds=self._looks_at - now()):
            self._idle.reset()
            self._looks_at = now()
        self._is_due |= self._looks_at <= now()

    @property
    def _is_to_read_on(self) -> bool:
        """
        Whether there may be something behind the window, and one of them waits for it or has taken all that is known.

        No more than one read is ahead of all of them; what is long known, each asks for.
        """
        end = self.window.end
        is_taken = end >= 0 and not self.has_more and any(each.reached == end for each in self._followers)
        return self._is_due and (is_taken or bool(self._waiting))

    async def _read_on(self, reader: EventReader) -> None:
        events, _ = await self.read(reader, after=self.window.end, limit=self.limits.portion)
        if events:
            self._idle.reset()
            self._held_up.reset()
        elif self.has_more:
            await reader.wait(seconds=self._held_up.next())

    async def _do(self, request: _Request, reader: EventReader) -> None:
        try:
            result = await request.work(reader)
        except Exception as error:
            if not request.reply.done():
                request.reply.set_exception(error)
            raise
        if not request.reply.done():
            request.reply.set_result(result)

    def _wake(self) -> None:
        if self._reader:
            self._reader.wake()

    def _fail(self, error: Exception) -> None:
        self.is_over, self._failure = True, error
        self._opened.set()
        for follower in self._followers:
            follower.news.set()
        while self._requests:
            _, reply = self._requests.popleft()
            if not reply.done():
                reply.set_exception(error)


async def _head(reader: EventReader) -> int:
    return await reader.head()


async def _identity(reader: EventReader, *, position: int, since: int) -> LogIdentity:
    return await reader.identity(position=position, since=since)
