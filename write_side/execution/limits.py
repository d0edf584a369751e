from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionLimits:
    """
    How much a process takes on, how long it tries, and how long it remembers.

    :param at_once: commands that are carried out: two groups of the most that share a transaction.
    :param most_waiting: commands that wait for a permit, or for another one under the same key: a second's work.
    :param permit_seconds: for which a command waits for its permit.
    :param attempts: of one command.
    :param retry_seconds: after which no further attempt begins.
    :param keep_seconds: for which the outcome of a command answers its idempotency key.
    :param keep_bulk_seconds: the same for commands of a bulk channel.
    """

    at_once: int = 128
    most_waiting: int = 200
    permit_seconds: float = 2.0
    attempts: int = 5
    retry_seconds: float = 10.0
    keep_seconds: float = 24 * 3_600.0
    keep_bulk_seconds: float = 30 * 24 * 3_600.0


EXECUTION_LIMITS = ExecutionLimits()
