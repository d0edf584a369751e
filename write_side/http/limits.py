from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedAnswerLimits:
    """
    How much of the answer to a stream waits for a client that sends all before it reads.

    :param memory: bytes of one answer; and as much again on their way to the client.
    :param block: bytes written to disk at once.
    :param disk: bytes of all answers of a process in files without names, in the directory for temporary files.
    :param patience: seconds after which a client that sends is granted more time to read.
    """

    memory: int = 256 * 1024
    block: int = 64 * 1024
    disk: int = 4 * 1024**3
    patience: float = 5.0
