"""What one Redis keeps of a projection."""

from redis.asyncio import Redis

from projector.adapters.redis.inspector import RedisGenerationInspector
from projector.adapters.redis.read_model import RedisReadModel
from projector.adapters.redis.server_check import ServerCheck
from projector.declaring.projection import Projection
from projector.store.ports import ProjectionStore
from shared.read_model.keys import HOME, Keyspace


def store_in_redis(
    client: Redis, projection: Projection, *, keyspace: Keyspace = HOME, server: ServerCheck | None = None
) -> ProjectionStore:
    return ProjectionStore(
        projection,
        RedisReadModel(client, projection=projection, keyspace=keyspace, server=server),
        RedisGenerationInspector(client, projection=projection.name, keyspace=keyspace),
    )
