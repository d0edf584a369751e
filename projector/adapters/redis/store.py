"""What Redis keeps of projections, on one server or in the slots of a cluster."""

from collections.abc import Iterable

from redis.asyncio import Redis

from projector.adapters.redis.checkpoints import RedisCheckpoints
from projector.adapters.redis.inspector import RedisGenerationInspector
from projector.adapters.redis.leases import RedisLease
from projector.adapters.redis.read_model import RedisReadModel
from projector.adapters.redis.server_check import ServerCheck
from projector.declaring.projection import Projection
from projector.leadership.limits import LeadershipLimits
from projector.store.ports import ProjectionStore
from shared.read_model.keys import HOME, Keyspace
from shared.redis.client import connect
from shared.urls.servers import is_cluster_url


def store_in_redis(
    client: Redis, projection: Projection, *, keyspace: Keyspace = HOME, server: ServerCheck | None = None
) -> ProjectionStore:
    return ProjectionStore(
        projection,
        RedisReadModel(client, projection=projection, keyspace=keyspace, server=server),
        RedisGenerationInspector(client, projection=projection.name, keyspace=keyspace),
        keyspace,
    )


class RedisPlaces:
    """The clients of partitions: one for each slot of a cluster, one for all where there is a single server."""

    def __init__(self, url: str, *, valid: float = 0.0) -> None:
        """:param valid: see `ServerCheck`."""
        self._url = url
        self._valid = valid
        self._checks: dict[str, tuple[Redis, ServerCheck]] = {}
        self._closed: list[RedisCheckpoints | RedisLease] = []
        self.home = self._of(HOME)[0]

    def store(self, projection: Projection, *, keyspace: Keyspace) -> ProjectionStore:
        client, server = self._of(keyspace)
        return store_in_redis(client, projection, keyspace=keyspace, server=server)

    def checkpoints(self, parts: Iterable[tuple[Keyspace, Projection]]) -> RedisCheckpoints:
        """Return those of the parts of projections."""
        keys = {part.label: keyspace.projection(part.name) for keyspace, part in parts if part.concerns}
        self._closed.append(checkpoints := RedisCheckpoints(self._url, keys))
        return checkpoints

    def lease(self, parts: Iterable[tuple[Keyspace, Projection]], *, limits: LeadershipLimits) -> RedisLease:
        """Return the leases of projections and of their parts."""
        tags = [keyspace.tag for keyspace, _ in parts]
        self._closed.append(lease := RedisLease(self._url, partitions=tags, limits=limits))
        return lease

    async def aclose(self) -> None:
        for each in self._closed:
            await each.aclose()
        for client, _ in self._checks.values():
            await client.aclose()

    def _of(self, keyspace: Keyspace) -> tuple[Redis, ServerCheck]:
        slot = keyspace if is_cluster_url(self._url) else HOME
        if slot.tag not in self._checks:
            client = connect(self._url, tag=slot.tag)
            self._checks[slot.tag] = client, ServerCheck(client, valid=self._valid)
        return self._checks[slot.tag]
