"""What the driver raises, in the words of the ports."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError, ResponseError, WatchError

from projector.store.errors import GenerationDamaged, Superseded
from projector.store.hints import refill
from shared.errors import Unavailable
from shared.read_model.keys import ProjectionKeys


@contextmanager
def reachable() -> Iterator[None]:
    """Say `Unavailable` for whatever the driver raises."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis: {str(error) or type(error).__name__}") from error


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
