from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """
    How many connections a worker serves, and how long it waits for whom, in seconds.

    :param connections: served at once by a worker, if so many files may be open; others wait in the kernel's queue.
    :param open_files: the soft limit of a process: every connection is a file, and most shells allow 1,024.
    :param reserved_files: those that no connection takes: keys are read and databases reached in a flood, too.
    :param request: how long a new connection may be without a request, whose headers have come to the last.
    :param look: how often that is looked at, so that it ends three times this later at most.
    :param buffer: bytes for a connection in each direction; longer headers are answered 431.
    :param headers: how long a connection may be idle between two requests: a proxy has to keep it open for less.
    :param unread: how long a client may leave an answer unread.
    :param keepalive_idle: after which the kernel probes a silent client.
    :param keepalive_interval: after which it probes again, or terminates the connection.
    :param stop: how long a worker may take to finish its requests after SIGTERM: more than any command does.
    :param make: how long making the application may take; on a busy machine its imports alone are seconds.
    :param open: how long a worker may take from there until it listens.
    """

    connections: int = 16_384
    open_files: int = 65_536
    reserved_files: int = 128
    request: float = 3.5
    look: float = 0.5
    buffer: int = 64 * 1024
    headers: float = 30.0
    unread: float = 30.0
    keepalive_idle: int = 60
    keepalive_interval: int = 15
    stop: int = 15
    make: float = 60.0
    open: float = 3.5
