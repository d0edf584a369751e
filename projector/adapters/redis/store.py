"""What Redis keeps of projections, on one server or in the slots of a cluster."""

from collections.abc import Iterable
from functools import partial

from redis.asyncio import Redis

from projector.adapters.redis.checkpoints import RedisCheckpoints
from projector.adapters.redis.inspector import RedisGenerationInspector
from projector.adapters.redis.leases import RedisLease
from projector.adapters.redis.read_model import RedisReadModel
from projector.adapters.redis.server_check import OwnerCheck, ServerCheck
from projector.declaring.projection import Projection
from projector.leadership.limits import LeadershipLimits
from projector.store.ports import ProjectionStore
from shared.read_model.keys import HOME, Keyspace
from shared.redis.client import connect
from shared.redis.node_clients import NodeClients
from shared.urls.servers import Address, is_cluster_url


def store_in_redis(
    client: Redis, projection: Projection, *, keyspace: Keyspace = HOME, server: ServerCheck | OwnerCheck | None = None
) -> ProjectionStore:
    return ProjectionStore(
        projection,
        RedisReadModel(client, projection=projection, keyspace=keyspace, server=server),
        RedisGenerationInspector(client, projection=projection.name, keyspace=keyspace),
        keyspace,
    )


class RedisPlaces:
    """
    The clients of partitions: one for all where there is a single server, else one for each slot of a cluster.

    What one server has shares the connections to it, and what is known of it.
    """

    def __init__(self, url: str, *, valid: float = 0.0) -> None:
        """:param valid: see `ServerCheck`."""
        self._url = url
        self._valid = valid
        self._nodes = NodeClients(url) if is_cluster_url(url) else None
        self.home = self._nodes.client(HOME.tag) if self._nodes else connect(url)
        self._checks: dict[Address | None, ServerCheck] = {}
        self._closed: list[RedisCheckpoints | RedisLease] = []

    def store(self, projection: Projection, *, keyspace: Keyspace) -> ProjectionStore:
        client = self._nodes.client(keyspace.tag) if self._nodes else self.home
        server = OwnerCheck(partial(self._check_of, keyspace.tag))
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
        await (self._nodes or self.home).aclose()

    async def _check_of(self, tag: str) -> ServerCheck:
        node = await self._nodes.node_of(tag) if self._nodes else None
        if node not in self._checks:
            client = self._nodes.client_of(node) if self._nodes and node else self.home
            self._checks[node] = ServerCheck(client, valid=self._valid)
        return self._checks[node]
