from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionLimits:
    """
    How much is done at once, and how long it is tried.

    :param events: that are read, and scheduled for, at once.
    :param at_once: deliveries of a channel that are carried out.
    :param ahead: those of a channel that are taken up: those above `at_once` wait for their turn.
    :param pause_seconds: between two looks at the log, or at what is due: what happens meanwhile is scheduled for in
        one transaction, and taken up by one query.
    :param poll_seconds: after which is looked for what was not notified.
    :param first_seconds: from the first attempt of a delivery to the second; each later pause is twice as long.
    :param longest_seconds: of a pause.
    :param attempts: of a delivery, after which it is given up: three days.
    :param valid_days: for which the link in a mail is good.
    :param again_seconds: from a lost database, or a look at the process that leads, to the next one.
    :param defect_seconds: from a defect to the next attempt.
    :param niceness: by which others go before this process (see nice(2)): no mail is as urgent as a command, and of a
        busy processor a third of their part is left for it.
    """

    events: int = 500
    at_once: int = 8
    ahead: int = 100
    pause_seconds: float = 0.1
    poll_seconds: float = 5.0
    first_seconds: float = 5.0
    longest_seconds: float = 3_600.0
    attempts: int = 82
    valid_days: int = 7
    again_seconds: float = 1.0
    defect_seconds: float = 30.0
    niceness: int = 5


REACTION_LIMITS = ReactionLimits()
