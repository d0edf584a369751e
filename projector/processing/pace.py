"""How often a projector does what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are done; seconds, but for the first two."""

    batch: int = 500
    """Events in a commit, at most."""
    fan_out: int = 1000
    """Documents in a step of a fan-out."""
    interval: float = 0.0
    """From one commit of events to the next: what comes in between travels together."""
    poll: float = 0.25
    """The bell is only a hint; this is the floor beneath it."""
    attest: float = 5.0
    recheck: float = 3.0
    """Between two looks at what stopped a projection."""
    first_retry: float = 0.05
    longest_retry: float = 1.0
    grace: float = 10.0
    """For which a generation lives on that nobody should read any more: longer than the longest read."""
