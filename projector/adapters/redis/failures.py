"""What the driver raises, in the words of the ports."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import ResponseError, WatchError

from projector.store.errors import GenerationDamaged, Superseded
from projector.store.hints import refill
from shared.read_model.keys import ProjectionKeys
from shared.redis.failures import reachable


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
