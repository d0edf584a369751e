from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BusLimits:
    """
    How much the bus takes and keeps, and how long it waits.

    :param at_once: messages of a shard that are read at once: as many as are carried out.
    :param answers_kept: answers in their stream, of which the oldest go.
    :param dead_kept: dead letters likewise.
    :param deaths: of consumers over a message, from which on it is tried no more.
    :param wait_seconds: for which a shard waits for messages before it looks again.
    :param share_seconds: between two looks at how many consumers share the shards.
    :param first_retry: seconds until what could not be carried out is tried again; each pause is twice as long.
    :param longest_retry: seconds of the longest pause.
    """

    at_once: int = 64
    answers_kept: int = 100_000
    dead_kept: int = 10_000
    deaths: int = 5
    wait_seconds: float = 1.0
    share_seconds: float = 1.0
    first_retry: float = 0.1
    longest_retry: float = 5.0
