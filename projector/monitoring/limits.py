"""How often the projector observes itself, and how long it waits for answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringLimits:
    """The limits of status, status history, stall detector and read probe, in seconds unless they say otherwise."""

    patience: float = 1.5
    """For a server: a status that waits for one that is away is of no use."""
    interval: float = 1.0
    """From one snapshot to the next, while a page is open."""
    kept: float = 15.0
    """From one time that the figures of the last hour are kept to the next; a restart may lose as much of them."""
    watched: float = 10.0
    """For which a client counts as looking on, after it last asked."""
    leisure: float = 4.0
    """Rest, as a multiple of the time that a snapshot takes: where there is very much to count, it must not matter."""
    longest_rest: float = 5.0
    """The same while no client looks on; the stall detector has no more patience than for three of them."""
    stall: float = 15.0
    """For which a projection that has something to do may stand."""
    probe: float = 10.0
    """From one read probe to the next, once all was answered for the first time; until then `interval`."""
    probe_patience: float = 3.0
    """For an answer to a read probe, beyond the time that a reader may wait."""
