from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """
    How long a service waits for others, in seconds, and how much of what clients send it holds.

    :param body: how long a client may take to send a body of 1 MiB at most.
    :param silence: how long it may send nothing of it; at the beginning, too.
    :param linger: how long a body is read on whose answer did not wait for it.
    :param linger_bytes: how much of it is.
    :param large_body: bytes of a large body; smaller ones are always taken.
    :param large_bodies: in flight at once: 256 MiB in a process at most, and as much again of small ones.
    :param ping: how long a dependency may take to answer for `/readyz`.
    """

    body: float = 20.0
    silence: float = 5.0
    linger: float = 5.0
    linger_bytes: int = 64 * 1024 * 1024
    large_body: int = 64 * 1024
    large_bodies: int = 256
    ping: float = 2.0
