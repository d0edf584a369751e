from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLimits:
    """
    How much is sent at once, and for how long it is tried.

    :param at_once: requests that are under way, in equal shares for the webhooks there are; each has one at least.
    :param ahead: changes that are taken up of a webhook; a process that is killed sends so many again, at most.
    :param wait_seconds: for which the feed is asked to wait for a change.
    :param poll_seconds: between two looks at which webhooks there are, and which are due again.
    :param answer_seconds: within which a receiver has to answer, from the look-up of its name to the end of its answer.
    :param answer_bytes: of an answer's body that are read, to no end but to end well.
    :param first_seconds: from a failure to the next attempt; each later pause is twice as long.
    :param longest_seconds: of a pause.
    :param attempts: that fail, one after the other, after which a webhook pauses itself: three days.
    """

    at_once: int = 16
    ahead: int = 50
    wait_seconds: float = 20.0
    poll_seconds: float = 1.0
    answer_seconds: float = 15.0
    answer_bytes: int = 65_536
    first_seconds: float = 5.0
    longest_seconds: float = 3_600.0
    attempts: int = 82

    def pause(self, failures: int, *, asked: float = 0.0) -> float:
        """
        Return the seconds until the next attempt after so many failures.

        :param asked: seconds for which the receiver asks.
        """
        return min(max(self.first_seconds * 2.0 ** min(failures - 1, 32), asked), self.longest_seconds)

    def share(self, webhooks: int) -> int:
        """Return how many requests one of so many webhooks may have under way."""
        return max(1, self.at_once // max(1, webhooks))
