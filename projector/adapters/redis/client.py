"""How the projector talks to Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError, WatchError

from projector.store.hints import refill
from projector.store.ports import GenerationDamaged, ReadModelUnavailable, Superseded
from shared.read_model.keys import ProjectionKeys
from shared.redis.sentinels import Sentinels, connection_options

SOCKET_SECONDS = 5.0


def connect(url: str) -> Redis:
    """
    Return a client that never sends anything twice.

    By default redis-py sends a MULTI again when the connection was lost, on a new connection that watches nothing: the
    compare-and-set would be gone. The engine looks at the checkpoint and decides anew instead.
    """
    patience = {"socket_timeout": SOCKET_SECONDS, "socket_connect_timeout": SOCKET_SECONDS}
    options = {**patience, **connection_options(url), "retry": Retry(NoBackoff(), 0)}
    return Redis.from_pool(ConnectionPool(**options))


async def look_for_master(client: Redis) -> None:
    """See to it that a master that was replaced is written no more, where there are sentinels to ask."""
    sentinels: Sentinels | None = client.connection_pool.connection_kwargs.get("sentinels")
    if sentinels is not None:
        await sentinels.look()


@contextmanager
def reachable() -> Iterator[None]:
    """Say `ReadModelUnavailable` for whatever the driver raises."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise ReadModelUnavailable(f"Redis: {str(error) or type(error).__name__}") from error


@contextmanager
def ported(keys: ProjectionKeys) -> Iterator[None]:
    """
    Say in the words of `ReadModel` what the driver says.

    `WatchError` means that a watched key changed, but also that the connection was lost while watching.
    """
    with reachable():
        try:
            yield
        except WatchError as error:
            raise Superseded(str(error)) from error
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise GenerationDamaged(f"projection {keys.projection}: {error}; {refill(keys)}") from error


def multi(pipe: Pipeline) -> None:
    """From here on commands are collected, to be executed in one transaction."""
    pipe.multi()  # type: ignore[no-untyped-call]  # redis-py leaves it without annotations
