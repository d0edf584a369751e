"""The driver's errors, in the words of the ports."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from shared.errors import Unavailable


@contextmanager
def reachable() -> Iterator[None]:
    """:raises Unavailable: the driver raises any error."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis: {str(error) or type(error).__name__}") from error
