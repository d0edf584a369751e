"""How long leases last."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadershipLimits:
    """The limits of leader election, in seconds."""

    lease: float = 2.0
    """For which a projector counts as there, and holds its leases, after it last said so."""
    shared: float = 3.0
    """The same where there are partitions to share: one that is overloaded and loses them for a moment costs more."""
    renew: float = 1.0
    """From one renewal to the next; also how long a leader that stops waits for Redis to take the lease back."""

    def lasting(self, *, partitions: int) -> float:
        """Return for how long a sign of life is good, by how many partitions there are."""
        return self.lease if partitions == 1 else self.shared
