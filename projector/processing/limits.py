"""How much the projector does at once, and how often."""

from dataclasses import dataclass, field
from datetime import timedelta

from shared.runtime.retry import Backoff, RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """How much a projection may park."""

    failures: int = 100
    """Events that cannot be folded, within a minute."""
    parked: int = 10_000
    """Events that are parked at all: each commit that parks one more writes them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleLimits:
    """Bounds of load beyond which a rebuild rests."""

    lag: timedelta = timedelta(milliseconds=250)
    """From an event's time until the live generation reflects it."""
    answer: float = 0.02
    """Seconds in which Redis answers."""
    longest_rest: float = 4.0
    """As many times as long as the work before it: a rebuild always goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorLimits:
    """The limits of one projection: seconds, but for the first two."""

    batch: int = 500
    """Events in a commit, at most."""
    fan_out: int = 1000
    """Documents in a step of a fan-out."""
    interval: float = 0.0
    """From one commit of events to the next: what comes in between travels together."""
    patience: float = 0.02
    """For which a commit that no reader waits for, as of a generation that is built, lets others go first."""
    poll: float = 0.25
    """The notification of a commit is only a hint; this is the floor beneath it, while something goes on."""
    rest: float = 4.0
    """As many times as long as `poll`, once nothing goes on; processors and reconcilers rest three times as long."""
    attest: float = 5.0
    """From one check of the store's settings to the next."""
    recheck: float = 3.0
    """From one attempt to go on to the next, once a projection has stopped."""
    trim: float = 60.0
    """From one look for what is not kept any longer to the next, once there was nothing."""
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(first=0.05, longest=1.0))
    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    throttle: ThrottleLimits = field(default_factory=ThrottleLimits)
    recounted: int = 10_000
    """Events that are counted at most when a checkpoint is checked once more."""
    grace: float = 10.0
    """For which a generation lives on that no reader should read any more: longer than the longest read."""

    def idle(self, *, times: int = 1) -> Backoff:
        """Return the pauses of a loop that finds nothing to do: ever longer, until it is at rest."""
        return Backoff(RetryPolicy(first=self.poll, longest=self.poll * self.rest * times))
