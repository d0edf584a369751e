"""Clocks that a test sets."""

from datetime import UTC, datetime, timedelta


class SettableClock:
    def __init__(self, now: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


class Time:
    """Seconds, which pass only in a sleep."""

    def __init__(self, now=1_000.0):
        self.now = now
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
