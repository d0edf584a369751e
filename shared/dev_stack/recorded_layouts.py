"""Into how many partitions read models are divided, as projectors have recorded it."""

from shared.read_model.layouts import WHERE, Layouts, recorded
from shared.redis.client import TIMEOUTS, RedisTimeouts, connect_blocking


def layouts_at(url: str, *, timeouts: RedisTimeouts = TIMEOUTS) -> Layouts | None:
    """
    Return what is recorded at a server, or at a cluster; None where nothing is.

    :raises RedisError: it cannot be asked.
    """
    with connect_blocking(url, timeouts=timeouts) as client:
        record, live_at_home = client.mget(WHERE)
        return recorded(record, live_at_home)
