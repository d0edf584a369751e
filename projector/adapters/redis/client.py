"""How the projector talks to Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError, WatchError

from projector.ports import GenerationDamaged, ReadModelUnavailable, Superseded
from projector.remedies import refill
from shared.keys import ProjectionKeys

SOCKET_SECONDS = 5.0


def connect(url: str) -> Redis:
    """
    Return a client that never sends anything twice.

    By default redis-py sends a MULTI again when the connection was lost, on a new connection that watches nothing: the
    compare-and-set would be gone. The engine looks at the checkpoint and decides anew instead.
    """
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        socket_keepalive=True,
    )


@contextmanager
def ported(keys: ProjectionKeys) -> Iterator[None]:
    """
    Say in the port's words what the driver says.

    `WatchError` means that a watched key changed, but also that the connection was lost while watching.
    """
    try:
        yield
    except WatchError as error:
        raise Superseded(str(error)) from error
    except ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise GenerationDamaged(f"projection {keys.projection}: {error}; {refill(keys)}") from error
        raise ReadModelUnavailable(str(error)) from error
    except (RedisError, OSError) as error:
        raise ReadModelUnavailable(f"{type(error).__name__}: {error}") from error
